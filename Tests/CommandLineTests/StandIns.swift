import Foundation
import Testing

/// A folder with fake cluster commands in PATH, for running scripts of `launch/`.
final class StandIns {
  let folder = FileManager.default.temporaryDirectory.appending(path: "gscnn-stand-ins-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  static let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../launch")
    .standardizedFileURL.path

  /// Makes a command from lines of shell.
  func command(_ name: String, _ lines: String...) throws {
    let file = URL(fileURLWithPath: folder).appending(path: name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data((["#!/usr/bin/env bash"] + lines).joined(separator: "\n").utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
  }

  /// The lines that the fake commands have written to a file.
  func lines(_ name: String) -> [String] {
    let text = try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    return (text ?? "").split(separator: "\n").map(String.init)
  }

  /// Runs a script with `$FOLDER` set to the folder, and waits for its end.
  ///
  /// - Parameters:
  ///   - script: its name in `launch/`, or an absolute path.
  ///   - meanwhile: receives the running process.
  /// - Returns: the exit status and the lines of standard error; those of standard output are in `lines("output")`.
  func run(
    _ script: String, _ words: [String], environment: [String: String] = [:],
    meanwhile: (Process) throws -> Void = { _ in }
  ) throws -> (status: Int32, errors: [String]) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: script.hasPrefix("/") ? script : "\(Self.launch)/\(script)")
    process.arguments = words
    var variables = ProcessInfo.processInfo.environment.filter { variable in
      !["OMPI_", "PMIX_", "PMI_", "SLURM_", "GSCNN_"].contains { variable.key.hasPrefix($0) }
    }
    variables["PATH"] = "\(folder):\(variables["PATH"] ?? "/usr/bin:/bin")"
    variables["FOLDER"] = folder
    process.environment = variables.merging(environment) { $1 }
    for file in ["errors", "output"] { try Data().write(to: URL(fileURLWithPath: "\(folder)/\(file)")) }
    process.standardError = FileHandle(forWritingAtPath: "\(folder)/errors")
    process.standardOutput = FileHandle(forWritingAtPath: "\(folder)/output")
    process.standardInput = FileHandle.nullDevice
    // The script inherits the signal mask of this thread, and the tests' threads block almost all signals.
    var none = sigset_t()
    var blocked = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &blocked)
    defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
    try process.run()
    do {
      try meanwhile(process)
    } catch {
      process.terminate()
      throw error
    }
    process.waitUntilExit()
    return (process.terminationStatus, lines("errors"))
  }
}
