import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("launch/ranks, with real ranks", .enabled(if: LaunchTests.isBuilt, "there is no release build"))
  struct RanksScriptTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    /// Trains, and hands the running job over after the first step.
    private func training(
      ranks: Int = 2, environment: [String: String] = [:], meanwhile: (RunningJob) throws -> Void
    ) throws -> Job {
      try work.makeStreets()
      let script = ["env", "-C", work.folder, StandIns.launch + "/ranks", "-n", "\(ranks)", "gscnn"]
      return try Job.run(
        command: script + Workplace.training + ["--threads", "1"], environment: environment, limit: 120
      ) { job in
        try job.wait(for: "a step") { ((try? work.text("results/resnet50_32_32_steps.csv")) ?? "").contains("\n1,1,") }
        try meanwhile(job)
      }
    }

    @Test("A rank that a signal ends is named, with its host, the signal, and how to go on", arguments: [1, 2])
    func killed(count: Int) throws {
      let job = try training(ranks: count) { try $0.send(SIGKILL, toRank: count - 1) }
      #expect(job.status != 0)
      // Another rank says it, or the script where there is none.
      let lines = job.errors.filter { $0.contains(": rank \(count - 1) on ") }
      #expect(lines.count == 1, "\(job.errors)")
      #expect(lines.first?.contains("signal 9") == true)
      #expect(lines.first?.hasSuffix("start again with --resume auto") == true)
    }

    @Test("Under launch/slurm as well a rank that is killed is named, and the job is not requeued")
    func killedUnderSLURM() throws {
      try work.makeStreets()
      // An allocation of two tasks on this machine.
      let allocation = [
        "SLURM_JOB_ID": "42", "SLURM_JOBID": "42", "SLURM_NODELIST": ProcessInfo.processInfo.hostName,
        "SLURM_TASKS_PER_NODE": "2", "OMPI_MCA_plm": "^slurm", "GSCNN_START": "mpirun",
        "GSCNN_FAULT": "rank=1 phase=backward step=2 action=kill",
      ]
      let job = try Job.run(
        command: ["env", "-C", work.folder, StandIns.launch + "/slurm", "gscnn"] + Workplace.training + [
          "--threads", "1",
        ],
        environment: allocation, limit: 120)
      #expect(job.status != 0 && job.status != 75)
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: rank 1 on ") && line.contains(" was killed (signal 9"), "\(job.errors)")
      #expect(line.hasSuffix(" in backward, step 2; start again with --resume auto"), "\(line)")
    }

    @Test("When mpirun itself is killed, the last line says so, and how to go on")
    func mpirunKilled() throws {
      let job = try training { job in
        let mpirun = job.descendants.first {
          (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) == "mpirun\n"
        }
        kill(try #require(mpirun), SIGKILL)
      }
      #expect(job.status == 137)
      #expect(
        job.lastError == "launch/ranks: mpirun was killed by signal 9 (Killed); start again with --resume auto",
        "\(job.errors)")
    }

    @Test("A second SIGTERM ends ranks that cannot save")
    func secondSignal() throws {
      let job = try training { job in
        try job.send(SIGSTOP, toRank: 1)
        try job.send(SIGTERM, toRank: nil)
        usleep(200_000)
        try job.send(SIGTERM, toRank: nil)
      }
      #expect(job.status == 143, "\(job.errors)")
    }

    @Test("Ranks that have not saved after GSCNN_GRACE seconds are ended, and the job can be started again")
    func grace() throws {
      let job = try training(environment: ["GSCNN_GRACE": "1"]) { job in
        try job.send(SIGSTOP, toRank: 1)
        try job.send(SIGTERM, toRank: nil)
      }
      #expect(job.status == 75, "\(job.errors)")
      #expect(job.errors.contains("launch/ranks: the ranks have not ended after 1 seconds (GSCNN_GRACE): killing them"))
    }

    @Test("When the script is killed, its ranks save and end")
    func scriptKilled() throws {
      _ = try training { job in
        let ranks = job.descendants
        try job.send(SIGKILL, toRank: nil)
        let limit = Date(timeIntervalSinceNow: 60)
        while ranks.contains(where: { kill($0, 0) == 0 }), Date() < limit { usleep(10_000) }
        #expect(!ranks.contains { kill($0, 0) == 0 })
      }
      #expect(try !work.names(in: "results/resnet50_32_32/checkpoints").isEmpty)
    }
  }
}
