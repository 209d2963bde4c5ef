import System

/// An image without its label.
struct MissingLabel: Error, CustomStringConvertible {
  let paths: SamplePaths

  var description: String {
    "\(paths.labelIds): does not exist, but its image \(paths.image) does; restore the label or remove the image"
  }
}

/// The images of a split that have no label.
package struct MissingLabels {
  private let root: String
  private let samples: [SamplePaths]
  private let missing: [SamplePaths]

  /// - Parameters:
  ///   - samples: of one split.
  ///   - missing: those of them that have no label.
  package init(_ missing: [SamplePaths], of samples: [SamplePaths], root: String) {
    self.root = root
    self.samples = samples
    self.missing = missing
  }

  /// A line for each problem: for each missing label, or only one if all are missing. Empty if all labels are there, and
  /// if none of the test split is: Cityscapes does not publish these.
  package var problems: [String] {
    guard let first = samples.first, missing.count == samples.count else {
      return missing.map { MissingLabel(paths: $0).description }
    }
    guard first.split != .test else { return [] }
    guard first.isOfCityscapes else {
      return [
        "\(FileSystem.parent(of: first.labelIds)): no label of split \(first.split.rawValue) is there (looked for "
          + "\(first.labelIds)); put the label maps there, or correct \"labels\" in the file of --classes"
      ]
    }
    let folder = "\(root)/gtFine"
    let remedy =
      if let other = folderHolding(first.labelIds.dropFirst(folder.count)) {
        "they lie in \(other): move the folders in it to \(folder)"
      } else {
        "unzip gtFine_trainvaltest.zip in \(root)"
      }
    let count = samples.count == 1 ? "its image" : "any of its \(samples.count) images"
    return [
      "\(folder)/\(first.split.rawValue): holds no label for \(count) (looked for \(first.labelIds)); \(remedy)"
    ]
  }

  /// The folder that the labels were unzipped to, if it is up to three levels below the data set's.
  ///
  /// - Parameter label: the path in it of one of them.
  private func folderHolding(_ label: Substring) -> String? {
    var folders = [root]
    for _ in 0..<3 {
      folders = folders.flatMap { folder in
        FileSystem.names(in: folder).filter { !$0.hasPrefix(".") && $0 != "leftImg8bit" }.map { "\(folder)/\($0)" }
          .filter { FileSystem.isDirectory($0) }
      }
      if let found = folders.first(where: { FileSystem.size(of: $0 + label) != nil }) { return found }
    }
    return nil
  }
}
