import System
import Training

/// No run where one was looked for.
package struct NoRun: Error, Equatable, CustomStringConvertible {
  package let path: String

  package var description: String {
    "\(path): holds no files of a training (looked for *\(RunPaths.endingsForReport.joined(separator: ", *"))); give the folder of "
      + "--save-path, or what the names of the run's files begin with"
  }
}

extension RunPaths {
  /// How the names of the files end that make a run worth a report.
  static let endingsForReport = ["_statistics.csv", "_steps.csv", "_run.json", "_options.yaml"]

  /// The runs at a path: those of a results folder, or the one whose files' names begin with the path.
  ///
  /// - Parameter path: may also be the folder `P` of a run, or one of its files.
  /// - Returns: what the paths of their files begin with, sorted.
  /// - Throws: `NoRun`.
  package static func prefixes(at path: String) throws(NoRun) -> [String] {
    var trimmed = path
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    func isPrefix(_ prefix: String) -> Bool { endingsForReport.contains { FileSystem.exists(prefix + $0) } }
    if isPrefix(trimmed) { return [trimmed] }
    if let prefix = prefix(ofFile: trimmed) { return [prefix] }
    let names = FileSystem.names(in: trimmed).compactMap { name in
      endingsForReport.first { name.hasSuffix($0) && name.count > $0.count }.map { String(name.dropLast($0.count)) }
    }
    guard !names.isEmpty else { throw NoRun(path: path) }
    return Set(names).sorted().map { FileSystem.join(trimmed, $0) }
  }

  /// The files of the run, which a report must not replace.
  package var files: [String] {
    [statistics, steps, classes, validation, description, options, model, averageModel]
  }
}
