import Foundation
import Testing

extension CommandLine {
  @Suite("Launch scripts, with fake cluster commands")
  struct LaunchTests {
    let standIns: StandIns

    init() throws { standIns = try StandIns() }

    // MARK: - One machine

    static let isBuilt = FileManager.default.isExecutableFile(
      atPath: StandIns.launch + "/../.build/release/gscnn")

    /// The arguments of mpirun before the program, as passed by launch/ranks.
    private func mpirunOptions(_ words: [String], environment: [String: String] = [:]) throws -> [String] {
      try standIns.command("mpirun", #"printf '%s\n' "$*" >>"$FOLDER/calls""#)
      let result = try standIns.run("ranks", words, environment: environment)
      #expect(result.status == 0, "\(result.errors)")
      let call = try #require(standIns.lines("calls").last)
      let options = call.split(separator: " ").prefix { !$0.hasSuffix("/gscnn") }.map(String.init)
      #expect(options.prefix(2) == ["-x", "OPAL_OUTPUT_STDERR_FD=2"])
      return Array(options.dropFirst(2))
    }

    @Test(
      "launch/ranks starts as many ranks as suit the machine, unless their number or placement is given",
      .enabled(if: isBuilt, "there is no release build"))
    func ranks() throws {
      let train = ["gscnn", "train", "--batch-size", "4"]
      let chosen = try mpirunOptions(train)
      #expect(chosen.dropLast() == ["--bind-to", "none", "-n"])
      #expect(chosen.last.flatMap { Int($0) }.map { 4 % $0 } == 0, "a number of ranks that divides the batch")
      #expect(try mpirunOptions(["gscnn", "view"]).suffix(2) == ["-n", "1"])
      #expect(try mpirunOptions(["-n", "3"] + train) == ["--bind-to", "none", "-n", "3"])
      let hosts = ["--hostfile", "hosts"]
      #expect(try mpirunOptions(hosts + train) == ["--bind-to", "none"] + hosts)
      #expect(try mpirunOptions(train, environment: ["SLURM_JOB_ID": "42"]) == ["--bind-to", "none"])
    }

    @Test(
      "launch/ranks recognizes placement by mpirun's exact option names, not by parts of names or values",
      .enabled(if: isBuilt, "there is no release build"))
    func placement() throws {
      let view = ["gscnn", "view"]
      for options in [["--wdir", "/home/app"], ["-x", "HOSTNAME"], ["--personality", "ompi"]] {
        #expect(try mpirunOptions(options + view) == ["--bind-to", "none"] + options + ["-n", "1"])
      }
      for options in [["--map-by", "node"], ["-npernode", "2"], ["--app", "file"], ["--rankfile", "file"]] {
        #expect(try mpirunOptions(options + view) == ["--bind-to", "none"] + options)
      }
    }

    // MARK: - SLURM

    /// Runs launch/slurm as SLURM job 42 with fake commands. They write more than a pipe holds, so that a reader that exits
    /// early makes them fail.
    private func slurm(
      _ words: [String], plugins: String = "none pmix", state: String = "RUNNING", srun: String = "exit 0",
      environment: [String: String] = [:], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> (status: Int32, errors: [String], calls: [String]) {
      try standIns.command(
        "scontrol", #"if [[ $1 == show ]]; then"#,
        #"  printf 'JobId=%s JobName=gscnn\n   JobState=\#(state) Reason=None\n' "$3""#,
        #"  printf '   Command=%s/launch/slurm gscnn train\n   WorkDir=/\n%100000s\n' "$FOLDER""#,
        #"else printf 'scontrol %s\n' "$*" >>"$FOLDER/calls"; fi"#)
      try standIns.command(
        "srun", #"if [[ $1 == --mpi=list ]]; then"#,
        #"  printf '%s\n' 'MPI plugin types are...' \#(plugins) "$(printf '%100000s')" >&2; exit; fi"#,
        #"printf 'srun %s\n' "${*/"$FOLDER"/.}" >>"$FOLDER/calls""#, srun)
      try standIns.command("launch/ranks", #"printf 'ranks %s\n' "$*" >>"$FOLDER/calls""#)
      try standIns.command(".build/release/gscnn")
      let job = try standIns.run(
        "slurm", words, environment: ["SLURM_JOB_ID": "42"].merging(environment) { $1 }, meanwhile: meanwhile)
      return (job.status, job.errors, standIns.lines("calls"))
    }

    private let srunTrain = "srun --mpi=pmix --kill-on-bad-exit=1 ./.build/release/gscnn train --epochs 3"

    @Test("launch/slurm starts the ranks by srun, and resumes automatically")
    func starts() throws {
      let job = try slurm(["gscnn", "train", "--epochs", "3"])
      #expect(job.status == 0)
      #expect(job.calls == [srunTrain + " --resume auto"])
    }

    @Test(
      "launch/slurm keeps a given --resume, and adds none to other commands",
      arguments: ["--resume=here", "--resume here"])
    func resume(option: String) throws {
      let words = ["gscnn", "train", "--epochs", "3"] + option.split(separator: " ").map(String.init)
      #expect(try slurm(words).calls == ["\(srunTrain) \(option)"])
      #expect(
        try slurm(["gscnn", "prepare"]).calls.last
          == "srun --mpi=pmix --kill-on-bad-exit=1 ./.build/release/gscnn prepare")
    }

    @Test("launch/slurm starts the ranks by mpirun where srun has no PMIx, or on request")
    func withoutPMIx() throws {
      #expect(try slurm(["gscnn", "prepare"], plugins: "none pmi2").calls == ["ranks gscnn prepare"])
      let requested = try slurm(["gscnn", "prepare"], environment: ["GSCNN_START": "mpirun"])
      #expect(requested.calls.last == "ranks gscnn prepare")
    }

    @Test("launch/slurm requeues a job that has saved, but not one that was cancelled or failed")
    func requeues() throws {
      let stopped = try slurm(["gscnn", "prepare"], srun: "exit 75")
      #expect(stopped.status == 75)
      #expect(stopped.calls.last == "scontrol requeue 42")
      for (state, srun, status) in [("CANCELLED", "exit 75", 75), ("RUNNING", "exit 1", 1)] {
        let job = try slurm(["gscnn", "prepare"], state: state, srun: srun)
        #expect(job.status == status)
        #expect(job.calls.last?.hasPrefix("srun ") == true, "\(state), \(srun)")
      }
    }

    @Test("launch/slurm forwards SLURM's signal to the ranks, and waits until they have saved")
    func signal() throws {
      let job = try slurm(
        ["gscnn", "prepare"],
        srun:
          #"trap 'echo saved >>"$FOLDER/calls"; exit 75' USR1; echo >"$FOLDER/ready"; while :; do sleep 0.01; done"#,
        meanwhile: { process in
          while !FileManager.default.fileExists(atPath: standIns.folder + "/ready"), process.isRunning { usleep(2000) }
          kill(process.processIdentifier, SIGUSR1)
        })
      #expect(job.status == 75)
      #expect(job.calls.suffix(2) == ["saved", "scontrol requeue 42"])
    }

    @Test("launch/slurm refuses wrong calls, and says what to do")
    func refusals() throws {
      let outside = try standIns.run("slurm", ["gscnn", "train"])
      #expect(outside.status == 2)
      #expect(outside.errors == ["launch/slurm: submit it, for example: sbatch --nodes=4 launch/slurm gscnn train …"])
      let empty = try slurm([])
      #expect(empty.status == 2 && empty.calls == [])
      #expect(empty.errors.last?.hasPrefix("launch/slurm: give what to run") == true)
      let odd = try slurm(["gscnn", "train"], environment: ["GSCNN_START": "torchrun"])
      #expect(odd.status == 2 && odd.errors.last == "launch/slurm: GSCNN_START=torchrun: give srun or mpirun")
    }
  }
}
