import Foundation
import Testing

extension CommandLine {
  @Suite("Launch scripts, with fake cluster commands")
  struct LaunchTests {
    let standIns: StandIns

    init() throws { standIns = try StandIns() }

    // MARK: - The tests themselves

    @Test(
      "launch/test ends with the tests that were skipped, and with CI=true fails if the machine could run them",
      arguments: [
        ("sshd is not installed (Debian: openssh-server)", 1), ("needs root, for network namespaces", 0),
        ("this machine does not allow network namespaces", 0),
      ])
    func skipped(reason: String, status: Int) throws {
      try standIns.command(
        "swift", #"if [[ $1 == --version ]]; then echo "Swift version 6.3"; exit; fi"#,
        #"echo '➜ Suite "Several hosts" skipped: "\#(reason)"'; echo '➜ Test "One" skipped: "\#(reason)"'"#,
        #"echo '✔ Test run with 2 tests in 1 suite passed after 1.0 seconds.'"#)
      try standIns.command("apt-get", "exit 1")
      for (environment, expected) in [(["CI": ""], 0), (["CI": "true"], status)] {
        let job = try standIns.run("test", ["--filter", "ClusterTests"], environment: environment)
        #expect(job.status == Int32(expected), "\(job.errors)")
        #expect(
          standIns.lines("output").suffix(3) == [
            "== Skipped", #"Suite "Several hosts": \#(reason)"#,
            "✔ Test run with 2 tests in 1 suite passed after 1.0 seconds.",
          ])
      }
    }

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

    @Test("Wrong numbers of ranks and folders are refused by launch/ranks, with what to give")
    func wrongNumbers() throws {
      for value in ["0", "-1", "two", "1.5", ""] {
        let job = try standIns.run("ranks", ["-n", value, "gscnn", "info", "x"])
        #expect(job.status == 2)
        #expect(job.errors == ["launch/ranks: -n \(value): give a number of ranks, for example: -n 2"])
      }
      let forgotten = try standIns.run("ranks", ["-n", "2", "train", "--data-path", "x"])
      #expect(forgotten.status == 2)
      #expect(forgotten.errors == ["launch/ranks: train is no program; give: launch/ranks gscnn train …"])
      let help = try standIns.run("ranks", ["gscnn", "--help"])
      #expect(help.status == 0, "\(help.errors)")
      let job = try standIns.run("ranks", ["-n", "1", "gscnn", "info", "x"], environment: ["TMPDIR": "/proc/none"])
      #expect(job.status == 2)
      #expect(
        job.errors == ["launch/ranks: TMPDIR=/proc/none: no file can be made there; give a folder that can be written"])
    }

    // MARK: - SLURM

    /// Runs a copy of launch/slurm, as SLURM does, as job 42 with fake commands. They write more than a pipe holds, so that
    /// a reader that exits early makes them fail.
    ///
    /// - Parameters:
    ///   - original: what scontrol gives as the submitted script; `nil` where there is no scontrol.
    ///   - requeue: what `scontrol requeue` does after it has noted its arguments.
    ///   - wrapped: whether a script of the user's calls the original.
    private func slurm(
      _ words: [String], plugins: String = "none pmix", state: String = "RUNNING", srun: String = "exit 0",
      original: String? = "$FOLDER/launch/slurm", requeue: String = ":", wrapped: Bool = false,
      environment: [String: String] = [:], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> (status: Int32, errors: [String], calls: [String]) {
      if let original {
        try standIns.command(
          "scontrol", #"if [[ $1 == show ]]; then"#,
          #"  printf 'JobId=%s JobName=gscnn\n   JobState=\#(state) Reason=None\n' "$3""#,
          #"  printf '   Command=%s gscnn train\n   WorkDir=/\n%100000s\n' "\#(original)""#,
          #"else printf 'scontrol %s\n' "$*" >>"$FOLDER/calls"; \#(requeue); fi"#)
      }
      try standIns.command(
        "srun", #"if [[ $1 == --mpi=list ]]; then"#,
        #"  printf '%s\n' 'MPI plugin types are...' \#(plugins) "$(printf '%100000s')" >&2; exit; fi"#,
        #"printf 'srun %s\n' "${*/"$FOLDER"/.}" >>"$FOLDER/calls""#, srun)
      try standIns.command("launch/ranks", #"printf 'ranks %s\n' "$*" >>"$FOLDER/calls""#)
      try standIns.command(".build/release/gscnn")
      let script = try String(contentsOfFile: "\(StandIns.launch)/slurm", encoding: .utf8)
      try standIns.command("spool/job42/slurm_script", script)
      try standIns.command("launch/slurm", script)
      let job = try standIns.run(
        standIns.folder + (wrapped ? "/launch/slurm" : "/spool/job42/slurm_script"), words,
        environment: ["SLURM_JOB_ID": "42"].merging(environment) { $1 }, meanwhile: meanwhile)
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

    @Test("launch/slurm requeues one task of an array, and not the whole array")
    func array() throws {
      let task = ["SLURM_JOB_ID": "42", "SLURM_ARRAY_JOB_ID": "40", "SLURM_ARRAY_TASK_ID": "3"]
      let job = try slurm(["gscnn", "prepare"], srun: "exit 75", environment: task)
      #expect(job.status == 75)
      #expect(job.calls.last == "scontrol requeue 40_3")
    }

    @Test("launch/slurm says when a job cannot be requeued, and exits with 75 all the same")
    func cannotRequeue() throws {
      let failed = try slurm(
        ["gscnn", "prepare"], srun: "exit 75", requeue: "echo 'Requested operation is disabled' >&2; exit 1")
      #expect(failed.status == 75)
      #expect(
        failed.errors.last
          == "launch/slurm: saved; the job cannot be requeued (Requested operation is disabled); to resume, submit the "
          + "same command again")
    }

    @Test("launch/slurm works where the nodes have no scontrol")
    func withoutScontrol() throws {
      let submitted = ["SLURM_SUBMIT_DIR": standIns.folder]
      let job = try slurm(["gscnn", "prepare"], srun: "exit 75", original: nil, environment: submitted)
      #expect(job.status == 75)
      #expect(job.calls.last?.hasPrefix("srun --mpi=pmix") == true)
      #expect(
        job.errors.last
          == "launch/slurm: saved; the job cannot be requeued, because scontrol does not work here; to resume, submit the "
          + "same command again")
    }

    @Test("launch/slurm finds the repository when another script calls it, or by GSCNN_HOME; otherwise it asks for it")
    func repository() throws {
      #expect(try slurm(["gscnn", "prepare"], original: "/home/me/job.sh", wrapped: true).status == 0)
      let home = ["GSCNN_HOME": standIns.folder]
      #expect(try slurm(["gscnn", "prepare"], original: "/home/me/job.sh", environment: home).status == 0)
      let lost = try slurm(["gscnn", "prepare"], original: "/home/me/job.sh")
      #expect(lost.status == 2)
      #expect(
        lost.errors == [
          "launch/slurm: the repository is not found; give its folder: sbatch --export=ALL,GSCNN_HOME=/path/of/it …"
        ])
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
