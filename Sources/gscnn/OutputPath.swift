import ArgumentParser
import Cityscapes
import System
import Training

/// A path that the user gives for an output, which replaces what has that name.
enum OutputPath {
  /// Refuses a name with another ending: programs tell the kind of a file by it.
  static func require(_ option: String, _ path: String?, endsIn ending: String) throws {
    guard let path, !path.lowercased().hasSuffix(ending) else { return }
    throw ValidationError("\(option) \(path): give a name that ends in \(ending)")
  }

  /// Why results must not be replaced by other results.
  static let isWritten = "this command writes another result there"

  /// Refuses the name of a file that the command uses, and any name among the images and labels of a data set.
  ///
  /// - Parameters:
  ///   - option: that gives the path, for errors.
  ///   - path: nil if the option is not given.
  ///   - others: files that the command reads, or writes as well.
  ///   - reason: why they must not be replaced.
  ///   - dataPath: the data set that the command reads, if any.
  ///   - table: of the data set.
  static func require(
    _ option: String, _ path: String?, otherThan others: [String],
    because reason: String = "this command reads that file",
    dataPath: String? = nil, _ table: LabelTable = .cityscapes
  ) throws {
    guard let path else { return }
    let place = FileSystem.target(path)
    if others.contains(where: { FileSystem.target($0) == place || FileSystem.canonical($0) == place }) {
      throw OptionError(option, path, "\(reason); give another")
    }
    guard let dataPath else { return }
    // Also where the data set holds a link to the folder.
    for folder in table.files?.folders.filter({ !$0.isEmpty }).sorted() ?? ["leftImg8bit", "gtFine"]
    where (place + "/").hasPrefix(FileSystem.canonical("\(dataPath)/\(folder)") + "/") {
      throw OptionError(option, path, "lies among the images and labels of the data set; give another")
    }
    let root = FileSystem.canonical(dataPath) + "/"
    if let files = table.files, place.hasPrefix(root), files.matches(String(place.dropFirst(root.count))) {
      throw OptionError(option, path, "is named as an image or a label map of the data set; give another")
    }
  }
}
