import Foundation

/// A program of this package that has run, alone or under a real `mpirun`.
package struct Job: Sendable {
  package let status: Int32
  /// Lines of standard output.
  package let output: [String]
  /// Lines of standard error.
  package let errors: [String]
  /// The last line of standard error that is not a warning of mpirun's event loop about ranks that ended together.
  package var lastError: String? { errors.last { !$0.hasPrefix("[warn] Epoll") } }

  /// Why a job has no result.
  package enum Failure: Error {
    case stillRunning(after: Double, errors: [String])
    /// The job ended before what the test waited for.
    case ended(before: String, errors: [String])
    case noRank(Int)
  }

  /// Starts a program and waits for its end.
  ///
  /// - Parameters:
  ///   - program: an executable of this package.
  ///   - ranks: `nil` to start the program without `mpirun`.
  ///   - wrapper: a command that runs its arguments, such as `env -C FOLDER`.
  ///   - options: options of `mpirun`.
  ///   - limit: seconds after which the job is killed.
  ///   - meanwhile: receives the running job.
  /// - Throws: `Failure`.
  package static func run(
    _ program: String, _ arguments: [String], ranks: Int? = nil, under wrapper: [String] = [],
    environment: [String: String] = [:],
    mpirun options: [String] = [], limit: Double = 300, meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    let launch = ranks.map { ["mpirun", "-n", "\($0)", "--oversubscribe", "--bind-to", "none"] + options } ?? []
    return try run(
      command: wrapper + launch + [path(of: program)] + arguments, environment: environment, limit: limit,
      meanwhile: meanwhile)
  }

  /// Starts any command and waits for its end.
  package static func run(
    command: [String], environment: [String: String] = [:], limit: Double = 300,
    meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    let job = try RunningJob(command, environment: environment, limit: limit)
    do {
      try meanwhile(job)
    } catch {
      job.kill()
      throw error
    }
    return try job.end()
  }

  /// The path of an executable of this package, beside the program that runs the tests.
  package static func path(of program: String) -> String {
    let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    return tests.deletingLastPathComponent().appending(path: program).path
  }
}
