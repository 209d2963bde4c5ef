import Foundation

/// Python with packages from PyPI, where they are installed.
package struct Python {
  private static let variable = "GSCNN_PYTHON"
  private static let interpreter = ProcessInfo.processInfo.environment[variable] ?? "python3"

  /// Whether the modules of the packages can be imported.
  package let isAvailable: Bool
  /// Why tests are skipped without them.
  package let need: String

  /// - Parameter packages: their modules have the same names.
  package init(with packages: String...) {
    let job = try? Job.run(command: [Self.interpreter, "-c", "import \(packages.joined(separator: ", "))"])
    isAvailable = job?.status == 0
    need =
      "needs Python with \(packages.joined(separator: " and ")): python3 -m venv V; "
      + "V/bin/pip install \(packages.joined(separator: " ")); \(Self.variable)=V/bin/python"
  }

  /// Runs a script.
  ///
  /// - Parameters:
  ///   - script: beside the source file of the caller.
  ///   - source: that file.
  package func run(_ script: String, _ arguments: [String], source: String = #filePath) throws -> Job {
    let path = URL(fileURLWithPath: source).deletingLastPathComponent().appending(path: script).path
    return try Job.run(command: [Self.interpreter, path] + arguments)
  }
}
