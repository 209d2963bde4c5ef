import Foundation
import Testing

extension CommandLine {
  /// The hosts are stand-ins: `ssh HOST` succeeds unless the file `down-HOST` is there. `mpirun` writes its hosts and the
  /// program's arguments to `calls`, and then does what the file `act` says. `sleep` writes how long it should sleep.
  @Suite(
    "Supervised restart, with fake cluster commands", .enabled(if: LaunchTests.isBuilt, "there is no release build"))
  struct SupervisionTests {
    let standIns: StandIns

    init() throws {
      standIns = try StandIns()
      try standIns.command(
        "ssh", #"host=${@: -2:1}"#,
        #"if [[ -e $FOLDER/down-$host ]]; then echo "ssh: connect to host $host: No route to host" >&2; exit 255; fi"#,
        #"echo "$host"; echo "10.1.4.9 5000 10.1.4.${host#node} 22""#)
      try standIns.command(
        "sleep", #"case $1 in 5 | 10 | 120 | 0.*) exec /bin/sleep "$1" ;; esac # not a pause between two starts"#,
        #"echo "$1" >>"$FOLDER/sleeps"; [[ ! -x $FOLDER/nap ]] || exec "$FOLDER/nap""#)
      try standIns.command(
        "mpirun",
        #"arguments="$*"; start=$((GSCNN_RESTART_COUNT + 1))"#,
        #"while [[ $1 != */gscnn ]]; do"#,
        #"  if [[ $1 == --hostfile ]]; then hosts=$(cut -d' ' -f1 "$2" | tr '\n' ' '); fi"#,
        #"  if [[ $1 == -n ]]; then ranks=$2; fi"#,
        #"  if [[ $1 == btl_tcp_if_include ]]; then echo "$2" >>"$FOLDER/networks"; fi"#,
        #"  shift"#,
        #"done"#,
        #"shift; echo "$start: ${hosts-}${ranks+-n $ranks }$*" >>"$FOLDER/calls""#,
        #"source "$FOLDER/act""#)
    }

    private func write(_ name: String, _ text: String) throws {
      try text.write(toFile: "\(standIns.folder)/\(name)", atomically: true, encoding: .utf8)
    }

    private var results: String { standIns.folder + "/results" }

    /// The log of restarts without the times.
    private var log: [String] {
      standIns.lines("results/restarts.log").map {
        $0.hasPrefix(" ") ? $0 : $0.split(separator: " ").dropFirst().joined(separator: " ")
      }
      .map { $0.replacing(/after [0-9]+ s/, with: "after … s") }
    }

    private func ranks(_ restarts: Int, _ words: String..., act: String, meanwhile: (Process) throws -> Void = { _ in })
      throws -> (status: Int32, errors: [String])
    {
      try write("act", act)
      return try standIns.run(
        "ranks", ["--max-restarts", "\(restarts)", "-n", "2", "gscnn", "train", "--save-path", results] + words,
        meanwhile: meanwhile)
    }

    /// Runs `launch/cluster` on node1 … node4 with one slot each.
    private func cluster(
      _ options: [String], act: String, environment: [String: String] = [:]
    ) throws -> (status: Int32, errors: [String]) {
      try write("act", act)
      if !FileManager.default.fileExists(atPath: standIns.folder + "/hosts") {
        try write("hosts", "# nodes\n" + (1...4).map { "node\($0) slots=1\n" }.joined())
      }
      return try standIns.run(
        "cluster", ["\(standIns.folder)/hosts"] + options + ["gscnn", "train", "--save-path", results],
        environment: environment)
    }

    // MARK: - One machine

    @Test("A failed or stopped job is started again with --resume auto, after 1, 2, 4 … seconds, and the log says why")
    func restarts() throws {
      let job = try ranks(
        9, "--resume", "auto", "--epochs", "3",
        act: "echo unimportant >&2; echo gscnn: no luck $start >&2; statuses=(1 75 137 0); exit ${statuses[start - 1]}")
      #expect(job.status == 0)
      let train = "train --save-path \(results)"
      let again = "-n 2 \(train) --epochs 3 --resume auto"
      #expect(
        standIns.lines("calls")
          == ["1: -n 2 \(train) --resume auto --epochs 3", "2: \(again)", "3: \(again)", "4: \(again)"])
      #expect(standIns.lines("sleeps") == ["1", "2", "4"])
      #expect(
        log == [
          "start 1: status 1 after … s; start 2 of 10 follows in 1 s", "  gscnn: no luck 1",
          "start 2: status 75 after … s; start 3 of 10 follows in 2 s", "  gscnn: no luck 2",
          // mpirun would have said why a rank has that status.
          "start 3: status 137 after … s; start 4 of 10 follows in 4 s", "  gscnn: no luck 3",
          "  launch/ranks: mpirun was killed by signal 9 (Killed); start again with --resume auto",
          "start 4: ended with status 0",
        ])
      #expect(job.errors.contains("unimportant"))
    }

    @Test("A checkpoint that was asked for is asked for again, until there is one that follows from it")
    func explicitCheckpoint() throws {
      let checkpoint = "\(results)/run/checkpoints/step-2"
      try FileManager.default.createDirectory(atPath: checkpoint, withIntermediateDirectories: true)
      // The second start writes that step again.
      let job = try ranks(
        9, "--resume=\(checkpoint)",
        act:
          "if ((start == 2)); then mkdir '\(checkpoint).new'; rmdir '\(checkpoint)'; mv '\(checkpoint)'.new '\(checkpoint)'"
          + "; fi; exit $((start < 3))")
      #expect(job.status == 0)
      let train = "-n 2 train --save-path \(results)"
      let asked = "\(train) --resume=\(checkpoint)"
      #expect(standIns.lines("calls") == ["1: \(asked)", "2: \(asked)", "3: \(train) --resume auto"])
    }

    @Test("After a new checkpoint the pause before a restart is short again, and it never exceeds a minute")
    func backOff() throws {
      let job = try ranks(
        9, act: "if ((start == 8)); then mkdir -p '\(results)'/run/checkpoints/step-1; fi; exit 1")
      #expect(job.status == 1)
      #expect(standIns.lines("sleeps") == ["1", "2", "4", "8", "16", "32", "60", "1", "2"])
      #expect(log.last == "start 10: status 1 after … s; all 9 restarts are used")
    }

    @Test("The results folder of a file of options is that of the log, and the command line's wins over it")
    func resultsOfFile() throws {
      try write("act", "exit $((start == 1 ? 75 : 0))")
      try write("first.yaml", "# A recipe.\r\nsave-path: 'elsewhere'  # not here\r\n")
      try write("second.yaml", "save_path : \"\(results)\"\n")
      try write("third.yaml", "batch-size: 8\n")
      let files = ["first", "second", "third"].map { "\(standIns.folder)/\($0).yaml" }
      func lines() -> Int { standIns.lines("results/restarts.log").count }
      let words = ["--max-restarts", "3", "-n", "2", "gscnn", "train"]
      let job = try standIns.run(
        "ranks", words + ["--config", files[0], "@" + files[1], "--config=" + files[2]])
      #expect(job.status == 0, "\(job.errors)")
      let logged = lines()
      #expect(logged > 0)
      try write("other.yaml", "save-path: elsewhere\n")
      let again = try standIns.run(
        "ranks", words + ["@\(standIns.folder)/other.yaml", "--save-path", results])
      #expect(again.status == 0, "\(again.errors)")
      #expect(lines() > logged)
      #expect(!FileManager.default.fileExists(atPath: "elsewhere"))
    }

    @Test("A wrong command line and an interruption are not followed by a restart", arguments: [2, 130])
    func noRestart(status: Int) throws {
      let job = try ranks(9, act: "exit \(status)")
      #expect(job.status == Int32(status))
      #expect(standIns.lines("calls").count == 1)
      #expect(log == [])
    }

    @Test(
      "A job that was stopped by a signal to the script is not started again",
      arguments: [SIGINT, SIGTERM])
    func stopped(signal: Int32) throws {
      // The scripts recognize a running rank by its name.
      let job = try ranks(
        9,
        act: #"""
          cp /bin/sleep "$FOLDER/gscnn"; "$FOLDER/gscnn" 1000 &
          trap "kill $!; exit 75" USR1
          echo >"$FOLDER/ready"; while :; do /bin/sleep 0.01; done
          """#,
        meanwhile: { process in
          while !FileManager.default.fileExists(atPath: standIns.folder + "/ready"), process.isRunning { usleep(2000) }
          kill(process.processIdentifier, signal)
        })
      #expect(job.status == (signal == SIGINT ? 130 : 75))
      #expect(standIns.lines("calls").count == 1)
    }

    @Test("A signal between two starts ends the script at once")
    func stoppedWhileWaiting() throws {
      try standIns.command("nap", #"echo >"$FOLDER/ready"; exec /bin/sleep 1000"#)
      let job = try ranks(
        9, act: "exit 1",
        meanwhile: { process in
          while !FileManager.default.fileExists(atPath: standIns.folder + "/ready"), process.isRunning { usleep(2000) }
          kill(process.processIdentifier, SIGTERM)
        })
      #expect(job.status == 75)
      #expect(standIns.lines("calls").count == 1)
    }

    // MARK: - Several machines

    @Test("The number of ranks is the largest power of two for which the answering hosts have slots")
    func elastic() throws {
      // node3 goes down in the first run and is back for the third.
      let job = try cluster(
        ["--max-restarts", "5", "--ranks", "1:8"],
        act: #"case $start in 1) echo >"$FOLDER/down-node3"; exit 1 ;; 2) rm "$FOLDER/down-node3"; exit 75 ;; esac"#)
      #expect(job.status == 0)
      #expect(
        standIns.lines("calls").map { $0.components(separatedBy: " train").first } == [
          "1: node1 node2 node3 node4 -n 4", "2: node1 node2 node4 -n 2", "3: node1 node2 node3 node4 -n 4",
        ])
      #expect(
        job.errors.contains(
          "launch/cluster: node3 does not answer (ssh: connect to host node3: No route to host); going on without"))
    }

    @Test("The host file is read again before each start")
    func editedHosts() throws {
      let job = try cluster(
        ["--max-restarts", "5", "--ranks", "1:2"],
        act: #"if ((start == 1)); then echo "node7 slots=2" >"$FOLDER/hosts"; exit 1; fi"#)
      #expect(job.status == 0)
      #expect(
        standIns.lines("calls").map { $0.components(separatedBy: " train").first }
          == ["1: node1 node2 node3 node4 -n 2", "2: node7 -n 2"])
    }

    @Test("A host file with a byte-order mark, Windows line ends, comments and leading zeros is read")
    func hostFile() throws {
      try write("hosts", "\u{FEFF}node1 slots=2\r\nnode2 slots = 08 # two sockets\r\n\r\nnode3\r\n")
      let job = try cluster(["--ranks", "1:8"], act: "")
      #expect(job.status == 0, "\(job.errors)")
      #expect(
        standIns.lines("calls").map { $0.components(separatedBy: " train").first } == ["1: node1 node2 node3 -n 8"])
    }

    @Test(
      "What is wrong in a host file is said with its line; a file that becomes wrong later does not end the job",
      arguments: [
        ("node1 slots=2\nnode1 slots=2\n", "line 2: node1 is named twice; give its line all slots"),
        ("node1 slots=two\n", "line 1: slots=two; give the number of ranks there, for example: node1 slots=2"),
        ("node1 slots=0\n", "line 1: slots=0; give the number of ranks there, for example: node1 slots=2"),
        ("#\nnode1 cores=2\n", "line 2: cores=2; give the number of ranks there, for example: node1 slots=2"),
        ("--proxy:x\n", "line 1: no name of a host; write for example: node1 slots=2"),
        ("n\u{F6}de\n", "line 1: no name of a host; write for example: node1 slots=2"),
        ("node1;x\n", "line 1: no name of a host; write for example: node1 slots=2"),
        ("# none\n", "names no host; write a line for each machine, for example: node1 slots=2"),
      ])
    func wrongHostFile(text: String, problem: String) throws {
      try write("hosts", text)
      let job = try cluster(["--ranks", "1:2"], act: "")
      #expect(job.status == 2)
      #expect(job.errors == ["launch/cluster: \(standIns.folder)/hosts: \(problem)"])

      try write("hosts", "node5 slots=2\n")
      try write("later", text)
      let edited = try cluster(
        ["--max-restarts", "1", "--ranks", "1:2"],
        act: #"if ((start == 1)); then cp "$FOLDER/later" "$FOLDER/hosts"; exit 1; fi"#)
      #expect(edited.status == 0)
      #expect(
        edited.errors.contains(
          "launch/cluster: \(standIns.folder)/hosts: \(problem); going on with the hosts of before"))
      #expect(standIns.lines("calls").last?.hasPrefix("2: node5 -n 2 ") == true)
    }

    @Test("A host that fails three times in a row is left out, until the host file changes")
    func leftOut() throws {
      let job = try cluster(
        ["--max-restarts", "9", "--ranks", "1:4"],
        act: #"""
          if ((start == 4)); then echo "# repaired" >>"$FOLDER/hosts"; echo "node5 slots=1" >>"$FOLDER/hosts"; exit 75; fi
          if ((start == 5)); then exit; fi
          echo "gscnn: rank 1 on node2 died in backward, step 7" >&2; exit 1
          """#)
      #expect(job.status == 0)
      #expect(
        standIns.lines("calls").map { $0.components(separatedBy: " train").first } == [
          "1: node1 node2 node3 node4 -n 4", "2: node1 node2 node3 node4 -n 4", "3: node1 node2 node3 node4 -n 4",
          "4: node1 node3 node4 -n 2", "5: node1 node2 node3 node4 node5 -n 4",
        ])
      #expect(
        log.contains(
          "start 3 on node1 node2 node3 node4: status 1 after … s; node2 has failed three times in a row and is left out "
            + "from now on; start 4 of 10 follows in 4 s"))
      #expect(log.contains("  gscnn: rank 1 on node2 died in backward, step 7"))
    }

    @Test("Where leaving a host out leaves too few, the job ends with its status")
    func tooFewLeft() throws {
      let job = try cluster(
        ["--max-restarts", "9", "-n", "4"],
        act: #"echo "gscnn: rank 1 on node2 died in backward, step 7" >&2; exit 3"#)
      #expect(job.status == 3)
      #expect(standIns.lines("calls").count == 3)
      #expect(job.errors.last?.hasPrefix("launch/cluster: too few hosts are left without node2; repair") == true)
    }

    @Test("A supervised job waits until enough hosts answer, and says for which")
    func waits() throws {
      try write("down-node2", "")
      try write("down-node3", "")
      try standIns.command("nap", #"if (($(wc -l <"$FOLDER/sleeps") == 3)); then rm "$FOLDER/down-node2"; fi"#)
      let job = try cluster(["--max-restarts", "1", "-n", "3"], act: "")
      #expect(job.status == 0)
      #expect(standIns.lines("sleeps") == ["1", "2", "4"])
      let missing = "does not answer (ssh: connect to host"
      #expect(
        job.errors.prefix(2) == [
          "launch/cluster: waiting: node2 \(missing) node2: No route to host); node3 \(missing) node3: No route to host)",
          "launch/cluster: node3 \(missing) node3: No route to host); going on without",
        ])
      #expect(standIns.lines("calls").first?.hasPrefix("1: node1 node2 node4 -n 3 train") == true)
    }

    @Test("Otherwise too few hosts are an error that names them, after the time of GSCNN_WAIT_HOSTS")
    func refuses() throws {
      try write("down-node2", "")
      let job = try cluster(["-n", "4"], act: "")
      #expect(job.status == 1)
      #expect(
        job.errors == [
          "launch/cluster: node2 does not answer (ssh: connect to host node2: No route to host); repair that, remove its "
            + "line from \(standIns.folder)/hosts, or wait for it: GSCNN_WAIT_HOSTS=600"
        ])
      #expect(standIns.lines("calls") == [])

      try standIns.command("nap", #"rm -f "$FOLDER/down-node2""#)
      let patient = try cluster(["-n", "4"], act: "", environment: ["GSCNN_WAIT_HOSTS": "600"])
      #expect(patient.status == 0)
      #expect(standIns.lines("calls").count == 1)
    }

    @Test("TCP traffic takes the network over which ssh reaches the hosts, unless another is given")
    func network() throws {
      _ = try cluster(["-n", "4"], act: "")
      _ = try cluster(["-n", "4"], act: "", environment: ["GSCNN_NETWORK": "eth1"])
      _ = try cluster(["-n", "4", "--mca", "btl_tcp_if_include", "eth2"], act: "")
      // 10.1.4.1 to 10.1.4.9
      #expect(standIns.lines("networks") == ["10.1.4.0/28", "eth1", "eth2"])
    }

    @Test(
      "Wrong options are refused by name, with what to give",
      arguments: [
        (["--max-restarts", "many"], "--max-restarts many: give a number of restarts, for example 100"),
        (["--ranks", "4"], "--ranks 4: give MIN:MAX, for example 4:8"),
        (["--ranks", "5:7"], "--ranks 5:7: there is no power of two from 5 to 7; give for example 4:8"),
        (["--ranks", "8:16"], "--ranks 8:16: HOSTS has slots for 4 only; add machines, or give a smaller MIN"),
        (["--ranks", "4:8", "-n", "4"], "--ranks 4:8: leave out -n 4, which fixes the number of ranks"),
      ])
    func refusals(options: [String], message: String) throws {
      let job = try cluster(options, act: "")
      #expect(job.status == 2)
      #expect(
        job.errors == ["launch/cluster: " + message.replacing("HOSTS", with: "\(standIns.folder)/hosts")])
    }
  }
}
