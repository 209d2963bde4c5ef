import Cityscapes
import Distributed
import Foundation
import System

/// Where the prepared maps of a data set are, and what was found when they were made.
package struct PreparedMaps {
  /// The folder, the same path on every host.
  package let folder: String
  /// The images for which maps were written.
  package let written: Int
  /// The label ids of each split, as far as they are known.
  let labels: LabelsOfSplits
  let table: LabelTable

  /// What was written, and the share of each class in each split; empty if all maps were there.
  package var report: [String] {
    guard written > 0 else { return [] }
    return ["\(written) \(written == 1 ? "image" : "images") prepared in \(folder)"] + shares
  }

  /// The share of each class, a line for each split.
  package var shares: [String] {
    Split.allCases.compactMap { split in labels[split].map { "\(split.rawValue): \($0.shares(table))" } }
  }

  /// A line for each split whose labels cannot be label ids. The labels of the test split are not published.
  func warnings(root: String) -> [String] {
    [Split.train, .val].compactMap { split in
      labels[split]?.suspicion(table).map {
        guard table.isCityscapes else {
          return
            "\(root): the labels of split \(split.rawValue) hold \($0) of \(table.name); correct the ids in the file of "
            + "--classes"
        }
        return "\(root)/gtFine/\(split.rawValue): holds \($0); put the *_gtFine_labelIds.png files of "
          + "gtFine_trainvaltest.zip there, or convert yours to label ids"
      }
    }
  }

  /// Whether any pixel of a split's labels has a class; nil if the maps do not say.
  package func hasLabeledPixels(_ split: Split) -> Bool? { labels[split].map { $0.hasClasses(table) } }

  // MARK: - Folders

  /// The folders to look for maps, in this order: what was asked for, or that of the data set, the one beside the labels
  /// where earlier versions and the reference implementation wrote them, and one in the user's cache.
  static func candidates(root: String, prepared: String?, _ table: LabelTable) -> [String] {
    if let prepared { return [prepared] }
    return ["\(root)/prepared"] + (table.isCityscapes ? [besideLabels(root)] : [])
      + (cacheFolder(root).map { [$0] } ?? [])
  }

  /// Written to only if asked for.
  static func besideLabels(_ root: String) -> String { "\(root)/gtFine" }

  /// `$XDG_CACHE_HOME/gscnn/NAME-HASH`, of the data set's absolute path; nil if there is no such variable and no home.
  private static func cacheFolder(_ root: String) -> String? {
    let environment = ProcessInfo.processInfo.environment
    let caches = [environment["XDG_CACHE_HOME"], environment["HOME"].map { $0 + "/.cache" }]
    guard let cache = caches.compactMap(\.self).first(where: { $0.hasPrefix("/") }) else { return nil }
    let path = URL(fileURLWithPath: root).resolvingSymlinksInPath().path
    let hash = Array(path.utf8).withUnsafeBytes(XXH64.hash)
    return "\(cache)/gscnn/\(FileSystem.name(of: path))-\(hash.zeroPadded(to: 16, radix: 16))"
  }

  /// Creates the folder and writes a file there.
  ///
  /// - Returns: the system's words if that fails.
  static func whyNotWritable(_ folder: String) -> String? {
    do {
      try FileSystem().createDirectory(folder)
      try FileSystem().probe(folder)
      return nil
    } catch {
      return error.posixMessage
    }
  }
}

/// A stop was requested before all maps were made. What was made is kept.
package struct PreparingStopped: CollectiveError, CustomStringConvertible {
  package var description: String { "stopped while preparing images; start again to go on" }
}
