import Foundation

/// A program of this package that was started, alone or under a real `mpirun`, and has ended.
package struct Job: Sendable {
  package let status: Int32
  /// Lines of standard output.
  package let output: [String]
  /// Lines of standard error.
  package let errors: [String]

  /// Why there is no job to look at.
  package enum Trouble: Error {
    case stillRunning(after: Double, errors: [String])
    /// What a test waited for did not happen before the job ended.
    case ended(before: String, errors: [String])
    case noRank(Int)
  }

  /// Starts a program and waits for its end.
  ///
  /// - Parameters:
  ///   - program: an executable of this package.
  ///   - ranks: `nil` to start the program by hand, without `mpirun`.
  ///   - wrapper: a command that runs the words after it, as `env -C FOLDER`.
  ///   - options: of `mpirun`.
  ///   - limit: seconds after which the job is killed.
  ///   - meanwhile: done beside the running job.
  /// - Throws: `Trouble`.
  package static func run(
    _ program: String, _ arguments: [String], ranks: Int? = nil, under wrapper: [String] = [],
    environment: [String: String] = [:],
    mpirun options: [String] = [], limit: Double = 60, meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    let launch = ranks.map { ["mpirun", "-n", "\($0)", "--oversubscribe", "--bind-to", "none"] + options } ?? []
    return try run(
      command: wrapper + launch + [path(of: program)] + arguments, environment: environment, limit: limit,
      meanwhile: meanwhile)
  }

  /// Starts any command and waits for its end.
  package static func run(
    command: [String], environment: [String: String] = [:], limit: Double = 60,
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

  /// Where an executable of this package lies: beside the program that runs the tests.
  private static func path(of program: String) -> String {
    let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    return tests.deletingLastPathComponent().appending(path: program).path
  }
}
