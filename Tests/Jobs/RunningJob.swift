import Foundation

/// A running job.
package final class RunningJob {
  private let process = Process()
  private let folder: URL
  private let limit: Double
  private let deadline: Date

  init(_ command: [String], environment: [String: String], limit: Double) throws {
    self.limit = limit
    deadline = Date(timeIntervalSinceNow: limit)
    folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-job-\(UUID().uuidString)")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    // The tests may themselves run inside a job.
    let inherited = ProcessInfo.processInfo.environment.filter { variable in
      !["OMPI_", "PMIX_", "PMI_", "SLURM_"].contains { variable.key.hasPrefix($0) }
    }
    let root = ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]
    process.environment = inherited.merging(root) { $1 }.merging(environment) { $1 }
    // Files, not pipes: nothing has to be read while the job runs.
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    process.standardOutput = try file("output")
    process.standardError = try file("errors")
    process.standardInput = FileHandle.nullDevice
    // The program inherits the signal mask of this thread, which blocks nearly every signal on a dispatch thread.
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func file(_ name: String) throws -> FileHandle {
    let file = folder.appending(path: name)
    try Data().write(to: file)
    return try FileHandle(forWritingTo: file)
  }

  private func lines(_ name: String) -> [String] {
    let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8)
    return (text ?? "").split(separator: "\n").map(String.init)
  }

  /// Waits until a condition holds.
  ///
  /// - Parameter what: names it in the error if the job ends before.
  package func wait(for what: String, until happened: () -> Bool) throws {
    while !happened() {
      guard process.isRunning else { throw Job.Failure.ended(before: what, errors: lines("errors")) }
      guard Date() < deadline else { throw Job.Failure.stillRunning(after: limit, errors: lines("errors")) }
      usleep(2000)
    }
  }

  /// Sends a signal to one rank; to the program itself if `rank` is `nil`.
  package func send(_ signal: Int32, toRank rank: Int?) throws {
    guard let rank else {
      Foundation.kill(process.processIdentifier, signal)
      return
    }
    // mpirun passes every rank its number in the environment.
    let mark = Data("OMPI_COMM_WORLD_RANK=\(rank)\0".utf8)
    let found = descendants.first { child in
      (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(child)/environ")))?.range(of: mark) != nil
    }
    guard let found else { throw Job.Failure.noRank(rank) }
    Foundation.kill(found, signal)
  }

  /// The ids of all processes that the program has started, and that these have: a launch script starts `mpirun`, which
  /// starts the ranks.
  package var descendants: [pid_t] { descendants(of: process.processIdentifier) }

  private func descendants(of parent: pid_t) -> [pid_t] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(parent)/task")) ?? []
    return tasks.flatMap { task in
      let list = try? String(contentsOfFile: "/proc/\(parent)/task/\(task)/children", encoding: .utf8)
      return (list ?? "").split(separator: " ").compactMap { pid_t($0) }.flatMap { [$0] + descendants(of: $0) }
    }
  }

  func end() throws -> Job {
    while process.isRunning, Date() < deadline { usleep(2000) }
    guard !process.isRunning else {
      kill()
      throw Job.Failure.stillRunning(after: limit, errors: lines("errors"))
    }
    process.waitUntilExit()
    return Job(status: process.terminationStatus, output: lines("output"), errors: lines("errors"))
  }

  func kill() {
    // mpirun ends its ranks on SIGTERM, not when it is killed.
    process.terminate()
    let gracePeriod = Date(timeIntervalSinceNow: 5)
    while process.isRunning, Date() < gracePeriod { usleep(2000) }
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }
}
