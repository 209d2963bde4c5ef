import Cityscapes
import Foundation
import System
import Training

/// A path that the user gives for an output, which replaces what has that name.
enum OutputPath {
  /// Refuses the name of a file that the command reads, and any name among the images and labels of a data set.
  ///
  /// - Parameters:
  ///   - inputs: files that the command reads.
  ///   - dataPath: the data set that the command reads, if any.
  ///   - table: of the data set.
  static func require(
    _ option: String, _ path: String?, otherThan inputs: [String], dataPath: String? = nil,
    _ table: LabelTable = .cityscapes
  ) throws {
    guard let path else { return }
    let place = resolved(path)
    if inputs.contains(where: { resolved($0) == place }) {
      throw OptionError(option, path, "this command reads that file; give another")
    }
    guard let dataPath else { return }
    // Also where the data set holds a link to the folder.
    for folder in table.files?.folders.filter({ !$0.isEmpty }).sorted() ?? ["leftImg8bit", "gtFine"]
    where (place + "/").hasPrefix(resolved("\(dataPath)/\(folder)/.") + "/") {
      throw OptionError(option, path, "lies among the images and labels of the data set; give another")
    }
  }

  /// The absolute path without symbolic links, but for the last component: that is what is replaced.
  private static func resolved(_ path: String) -> String {
    guard let resolved = realpath(FileSystem.parent(of: path).pathBytes, nil) else { return path }
    defer { free(resolved) }
    let (parent, name) = (String(path: resolved), FileSystem.name(of: path))
    return name == "." ? parent : parent + "/" + name
  }
}
