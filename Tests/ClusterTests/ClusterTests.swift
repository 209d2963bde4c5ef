import Foundation
import Jobs
import Testing

/// Runs on several hosts, which are network namespaces made by the script `hosts` beside this file.
@Suite("Several hosts", .serialized, .disabled(if: Hosts.missing != nil, "\(Hosts.missing ?? "")"))
struct ClusterTests {
  @Test("Training on two hosts, resumed on four and evaluated on two, produces the bytes of one process")
  func hostsChange() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-cluster-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (data, results) = ("\(folder)/data", "\(folder)/several")
    let streets = [
      "synthesize", "--data-path", data, "--train", "8", "--val", "2", "--test", "0", "--height", "64", "--width",
      "128",
    ]
    let made = try Job.run("gscnn", streets)
    #expect(made.status == 0, "\(made.errors)")

    let prepared = try Hosts.run(2, ["prepare", "--data-path", data])
    #expect(prepared.status == 0, "\(prepared.errors)")

    let train = [
      "train", "--data-path", data, "--crop-h", "64", "--crop-w", "64", "--batch-size", "4", "--epochs", "3",
      "--validate-every", "3", "--no-test", "--threads", "1", "--log-every", "1", "--save-path",
    ]
    let stopped = try Hosts.run(2, train + [results]) { job in
      try job.wait(for: "a step") { Self.steps(in: results).count > 1 }
      try job.send(SIGUSR1, toRank: nil)
    }
    #expect(stopped.status == 75, "\(stopped.errors)")
    #expect(stopped.errors.contains { $0.hasPrefix("2 ranks on 2 machines") }, "\(stopped.errors)")
    let before = Self.steps(in: results).count - 1
    #expect(before < 6, "stopped before the last step")

    let resumed = try Hosts.run(4, train + [results, "--resume", "auto"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains { $0.hasPrefix("4 ranks on 4 machines") }, "\(resumed.errors)")

    let straight = "\(folder)/one"
    let alone = try Job.run("gscnn", train + [straight], limit: 300)
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(Self.steps(in: results) == Self.steps(in: straight))
    let models = [results, straight].map { $0 + "/resnet50_64_64_model.safetensors" }
    #expect(FileManager.default.contentsEqual(atPath: models[0], andPath: models[1]))

    let evaluate = ["evaluate", "--data-path", data, "--split", "val", "--threads", "1", "--model-weight"]
    let several = try Hosts.run(2, evaluate + [models[0]])
    #expect(several.status == 0, "\(several.errors)")
    let one = try Job.run("gscnn", evaluate + [models[1]])
    // The lines after these contain the speed.
    #expect(several.output.prefix(19) == one.output.prefix(19))
    #expect(several.output.count > 19)
  }

  @Test("Hosts with disks of their own prepare all images each, and train as one process does")
  func ownDisks() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-cluster-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let data = "\(folder)/data"
    let made = try Job.run(
      "gscnn",
      [
        "synthesize", "--data-path", data, "--train", "7", "--val", "3", "--test", "0", "--height", "64", "--width",
        "64",
      ])
    #expect(made.status == 0, "\(made.errors)")
    let train = [
      "train", "--data-path", data, "--crop-h", "64", "--crop-w", "64", "--batch-size", "4", "--no-test", "--threads",
      "1", "--stop-after", "2", "--save-path",
    ]
    let several = try Hosts.run(2, train + ["\(folder)/several"], hosts: ["-p", data])
    #expect(several.status == 0, "\(several.errors)")
    #expect(several.errors.contains("10 images prepared in \(data)/prepared"), "\(several.errors)")
    #expect(!FileManager.default.fileExists(atPath: "\(data)/prepared"), "only the hosts' own disks are written")
    let alone = try Job.run("gscnn", train + ["\(folder)/one"], limit: 300)
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(Self.steps(in: "\(folder)/several").count == 3)
    #expect(Self.steps(in: "\(folder)/several") == Self.steps(in: "\(folder)/one"))
  }

  /// A training of small streets, two images a step.
  private func trainOnTwoHosts(
    _ words: [String] = [], options: [String]? = nil,
    meanwhile: (RunningJob, _ results: String) throws -> Void = { _, _ in }
  ) throws -> Job {
    let folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-cluster-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let streets = ["--train", "4", "--val", "1", "--test", "0", "--height", "64", "--width", "128"]
    let made = try Job.run("gscnn", ["synthesize", "--data-path", "\(folder)/data"] + streets)
    try #require(made.status == 0, "\(made.errors)")
    let results = "\(folder)/results"
    let call = [
      "train", "--data-path", "\(folder)/data", "--save-path", results, "--crop-h", "32", "--crop-w", "32",
      "--batch-size", "2", "--no-test", "--threads", "1",
    ]
    return try Hosts.run(2, call + words, options: options) { try meanwhile($0, results) }
  }

  @Test(
    "A rank that is killed on either host ends the job, and its last line names rank, host, phase, step and cause",
    arguments: [0, 1])
  func killedRank(rank: Int) throws {
    let job = try trainOnTwoHosts(options: [
      "-n", "2", "-x", "GSCNN_FAULT=rank=\(rank),phase=backward,step=2,action=kill",
    ])
    #expect(job.status != 0)
    // After it, launch/ranks says what mpirun knows.
    let line = try #require(job.errors.last { $0.hasPrefix("gscnn: ") })
    #expect(line.hasPrefix("gscnn: rank \(rank) on host\(rank + 1) was killed (signal 9"), "\(job.errors)")
    #expect(line.contains(" in backward, step 2; start again with --resume auto"), "\(job.errors)")
  }

  @Test("When a host goes down, the job fails and all hosts are removed")
  func hostGoesDown() throws {
    let job = try Hosts.run(2, ["bench", "allreduce", "--steps", "1000000"]) { job in
      try job.wait(for: "ranks on both hosts") { Hosts.processes("/gscnn", "bench").count == 2 }
      Hosts.takeDown(2, of: job)
    }
    #expect(job.status != 0 && job.status != 77)
    #expect(Hosts.processes("sshd", "ListenAddress=10.77.0.").isEmpty)
    #expect(Hosts.namespaces() == [])
  }

  @Test("When the network is cut, the job ends though no connection is closed, and the silent rank is named")
  func cutLink() throws {
    let job = try trainOnTwoHosts([
      "--epochs", "1000", "--validate-every", "1000", "--log-every", "1", "--stall-timeout", "8",
    ]) { job, results in
      try job.wait(for: "a step") { Self.steps(in: results, of: 32).count > 1 }
      try Hosts.cutLink(of: 2)
    }
    #expect(job.status == 75, "\(job.errors)")
    let line = try #require(job.errors.last { $0.hasPrefix("gscnn: ") })
    #expect(line.hasPrefix("gscnn: rank 1 on host2 has not answered for "), "\(job.errors)")
    #expect(line.hasSuffix("which ends the job after 8 s; start again with --resume auto"))
  }

  @Test("A supervised training that loses a host goes on with half the ranks, to the bytes of an undisturbed one")
  func hostIsLost() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-cluster-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (data, lost, straight) = ("\(folder)/data", "\(folder)/lost", "\(folder)/straight")
    let streets = [
      "synthesize", "--data-path", data, "--train", "6", "--val", "2", "--test", "0", "--height", "32", "--width", "64",
    ]
    #expect(try Job.run("gscnn", streets).status == 0)
    let train = [
      "train", "--data-path", data, "--crop-h", "32", "--crop-w", "32", "--batch-size", "2", "--epochs", "3",
      "--checkpoint-every", "2", "--no-test", "--threads", "1", "--save-path",
    ]
    // The second host goes down in the second epoch, one step after a checkpoint.
    let supervised = try Hosts.run(2, train + [lost], options: ["--max-restarts", "3", "--ranks", "1:2"]) { job in
      try job.wait(for: "the fifth step") { Self.steps(in: lost, of: 32).count > 5 }
      Hosts.takeDown(2, of: job)
    }
    #expect(supervised.status == 0, "\(supervised.errors)")
    #expect(supervised.errors.contains { $0.hasPrefix("2 ranks on 2 machines") })
    #expect(supervised.errors.contains { $0.hasPrefix("1 rank on 1 machine") }, "\(supervised.errors)")
    let log = try String(contentsOfFile: "\(lost)/restarts.log", encoding: .utf8)
    #expect(log.contains("start 1 on host1 host2: status "))
    #expect(log.contains("start 2 on host1: ended with status 0"))

    let alone = try Job.run("gscnn", train + [straight], limit: 300)
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(Self.steps(in: lost, of: 32) == Self.steps(in: straight, of: 32))
    let last = "resnet50_32_32/checkpoints/step-00000009"
    for file in ["resnet50_32_32_model.safetensors", "\(last)/model.safetensors", "\(last)/momentum.safetensors"] {
      #expect(FileManager.default.contentsEqual(atPath: "\(lost)/\(file)", andPath: "\(straight)/\(file)"), "\(file)")
    }
  }

  @Test("A job does not use Docker's network, which has the same address on every host")
  func docker() throws {
    let job = try Hosts.run(2, ["bench", "allreduce", "--bytes", "4096", "--steps", "2"], hosts: ["-d"])
    #expect(job.status == 0, "\(job.errors)")
    #expect(job.output.first?.contains(#""ranks":2"#) == true)
    #expect(job.errors.first == "launch/cluster: TCP over 10.77.0.0/30; GSCNN_NETWORK chooses another network")
  }

  /// The lines of P_steps.csv without the last columns, speed and times.
  private static func steps(in results: String, of crop: Int = 64) -> [String] {
    let text = (try? String(contentsOfFile: "\(results)/resnet50_\(crop)_\(crop)_steps.csv", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map { $0.split(separator: ",").dropLast(6).joined(separator: ",") }
  }
}

/// Simulated hosts, which exist while a job runs on them.
private enum Hosts {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  private static let script = folder.appending(path: "hosts").path
  private static let cluster = folder.appending(path: "../../launch/cluster").standardized.path

  /// Why this machine cannot simulate hosts; nil if it can.
  static let missing: String? = {
    do {
      let job = try Job.run(command: [script, "-c"])
      return job.status == 0 ? nil : job.errors.last ?? "hosts -c failed"
    } catch {
      return "\(error)"
    }
  }()

  /// Runs gscnn through `launch/cluster`, with one rank a host unless its options say otherwise.
  ///
  /// - Parameter hosts: options of the script `hosts`.
  static func run(
    _ count: Int, _ arguments: [String], options: [String]? = nil, hosts: [String] = [],
    meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    let options = options ?? ["-n", "\(count)"]
    return try Job.run(
      command: [script, "-n", "\(count)"] + hosts + [cluster, "@HOSTS"] + options + ["gscnn"] + arguments, limit: 300,
      meanwhile: meanwhile)
  }

  /// Ends all processes of one of a job's hosts at once.
  static func takeDown(_ host: Int, of job: RunningJob) {
    // The kernel ends a host's processes with its first one.
    let first = Set(processes("sshd", "ListenAddress=10.77.0.\(host)"))
    for process in job.descendants where first.contains(process) { kill(process, SIGKILL) }
  }

  /// Takes a host off the network; its processes go on.
  static func cutLink(of host: Int) throws {
    for namespace in namespaces() where namespace.hasSuffix("-\(host)") {
      let job = try Job.run(command: ["ip", "-n", namespace, "link", "set", "lan", "down"])
      #expect(job.status == 0, "\(job.errors)")
    }
  }

  /// Ids of the running processes of a program that have an argument with this prefix.
  static func processes(_ program: String, _ argument: String) -> [pid_t] {
    let numbers = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }
    return numbers.filter { number in
      let line = (try? String(contentsOfFile: "/proc/\(number)/cmdline", encoding: .utf8)) ?? ""
      // sshd overwrites its arguments with its status.
      let words = line.split { $0 == "\0" || $0 == " " }
      return words.first.map { $0.hasSuffix(program) || $0 == program + ":" } == true
        && words.contains { $0.hasPrefix(argument) }
    }
  }

  /// Names of the network namespaces that `hosts` has not removed.
  static func namespaces() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []).filter { $0.hasPrefix("gscnn-") }
  }
}
