/// How the images and label maps of a data set are named, below its folder: `images/{split}/{name}.png`, where NAME may
/// contain folders.
package struct FilePatterns: Sendable, Equatable {
  package let images: String
  package let labels: String
  /// What stands for `{split}`; the split's own name if it is missing here.
  package let splits: [Split: String]

  static let split = "{split}"
  static let name = "{name}"

  init(images: String, labels: String, splits: [Split: String]) {
    (self.images, self.labels, self.splits) = (images, labels, splits)
  }

  /// A pattern of one split: a path is what comes before the name, the name, and what comes after it.
  struct Expanded {
    let before: String
    let after: String

    func path(_ name: String) -> String { before + name + after }

    /// The name in a path; nil if the path has another form.
    func name(in path: String) -> String? {
      // Bytes decide, as on the disk: texts that look the same may be other names.
      let (bytes, first, last) = (path.utf8, before.utf8, after.utf8)
      guard bytes.count > first.count + last.count, bytes.starts(with: first),
        bytes.suffix(last.count).elementsEqual(last)
      else { return nil }
      return String(Substring(bytes.dropFirst(first.count).dropLast(last.count)))
    }

    /// The last folder that all paths lie in; empty for the data set's own.
    var folder: String { before.lastIndex(of: "/").map { String(before[..<$0]) } ?? "" }

    /// For the user.
    var glob: String { path("*") }
  }

  func images(of split: Split) -> Expanded { expanded(images, split) }

  func labels(of split: Split) -> Expanded { expanded(labels, split) }

  private func expanded(_ pattern: String, _ split: Split) -> Expanded {
    let parts = pattern.split(separator: Self.name, maxSplits: 1, omittingEmptySubsequences: false).map {
      $0.split(separator: Self.split, omittingEmptySubsequences: false).joined(
        separator: splits[split] ?? split.rawValue)
    }
    return Expanded(before: parts[0], after: parts.count > 1 ? parts[1] : "")
  }
}

extension FilePatterns {
  /// The label map of an image of a data set; nil if its path has not the form of one.
  ///
  /// - Parameters:
  ///   - path: of the image.
  ///   - root: the folder of the data set.
  package func label(ofImage path: String, root: String) -> (split: Split, label: String)? {
    guard path.hasPrefix(root + "/") else { return nil }
    let inside = String(path.dropFirst(root.count + 1))
    for split in Split.allCases {
      if let name = images(of: split).name(in: inside) { return (split, "\(root)/\(labels(of: split).path(name))") }
    }
    return nil
  }

  /// Whether a path below the folder of the data set has the form of an image or a label map.
  package func matches(_ path: String) -> Bool {
    Split.allCases.contains { images(of: $0).name(in: path) != nil || labels(of: $0).name(in: path) != nil }
  }

  /// The folders of images and of labels, of all splits, below the folder of the data set.
  package var folders: Set<String> {
    Set(Split.allCases.flatMap { [images(of: $0).folder, labels(of: $0).folder] })
  }
}
