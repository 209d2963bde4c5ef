import Foundation
import Testing

/// The tests that start processes, one after another.
@Suite(.serialized)
enum Jobs {}

/// A run of RankProgram, alone or under a real `mpirun`.
struct Job {
  let status: Int32
  /// Lines of standard output.
  let output: [String]
  /// Lines of standard error.
  let errors: [String]

  /// What each rank reported, in the order of the ranks.
  func reports(ranks: Int) -> [[String]] {
    (0..<ranks).map { rank in
      output.filter { $0.hasPrefix("\(rank) ") }.map { String($0.dropFirst("\(rank) ".count)) }
    }
  }

  /// - Parameters:
  ///   - ranks: nil to start the program by hand, without `mpirun`.
  ///   - limit: seconds after which the job is killed and the test fails.
  static func run(
    ranks: Int?, _ arguments: String..., environment: [String: String] = [:], mpirun options: [String] = [],
    limit: Double = 60
  ) throws -> Job {
    try run(ranks: ranks, arguments, environment: environment, mpirun: options, limit: limit)
  }

  static func run(
    ranks: Int?, _ arguments: [String], environment: [String: String] = [:], mpirun options: [String] = [],
    limit: Double = 60
  ) throws -> Job {
    let process = Process()
    let program = try #require(Bundle.main.executableURL).deletingLastPathComponent().appending(path: "RankProgram")
      .path
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let launch = ranks.map { ["mpirun", "-n", "\($0)", "--oversubscribe", "--bind-to", "none"] + options } ?? []
    process.arguments = launch + [program] + arguments
    // The tests may themselves run inside of a job.
    let inherited = ProcessInfo.processInfo.environment.filter { variable in
      !["OMPI_", "PMIX_", "PMI_", "SLURM_"].contains { variable.key.hasPrefix($0) }
    }
    let root = ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]
    process.environment = inherited.merging(root) { $1 }.merging(environment) { $1 }

    let folder = FileManager.default.temporaryDirectory.appending(path: "rank-program-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = try ["output", "errors"].map { name in
      let file = folder.appending(path: name)
      try Data().write(to: file)
      return file
    }
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let end = Date(timeIntervalSinceNow: limit)
    while process.isRunning, Date() < end { usleep(5000) }
    if process.isRunning {
      Issue.record("the job was still running after \(limit) s")
      kill(process.processIdentifier, SIGKILL)
    }
    process.waitUntilExit()
    let lines = try files.map { try String(contentsOf: $0, encoding: .utf8).split(separator: "\n").map(String.init) }
    return Job(status: process.terminationStatus, output: lines[0], errors: lines[1])
  }
}
