import Cityscapes
import Glibc
import System

/// Where predictions for the benchmark server are written: a folder, a zip archive, or both.
package struct ExportDestination: Sendable, Equatable {
  package let folder: String?
  package let archive: String?

  /// - Parameters:
  ///   - path: a folder, or an archive if it ends in `.zip`.
  ///   - zip: whether a folder is archived too, beside it under its name.
  package init(_ path: String, zip: Bool) {
    if path.lowercased().hasSuffix(".zip") {
      (folder, archive) = (nil, path)
    } else {
      var name = path[...]
      while name.count > 1, name.hasSuffix("/") { name.removeLast() }
      (folder, archive) = (path, zip ? "\(name).zip" : nil)
    }
  }
}

/// A zip archive of predictions; it appears under its name when it is complete.
final class PredictionArchive: @unchecked Sendable {
  // Unchecked: only rank 0's main thread writes.

  private let path: String
  private var writer: ZipWriter?

  init(_ path: String) { self.path = path }

  func create() throws {
    try reporting {
      if FileSystem.isDirectory(path, followingLinks: true) { throw FileError(path, .create, errno: EISDIR) }
      try FileSystem().createDirectory(FileSystem.parent(of: path))
      writer = try ZipWriter(path)
    }
  }

  func add(_ name: String, _ bytes: [UInt8]) throws { try reporting { try writer?.add(name, bytes) } }

  func finish() throws {
    try reporting { try writer?.finish() }
    writer = nil
  }

  private func reporting(_ body: () throws -> Void) throws {
    do { try body() } catch {
      throw InferenceError.cannotWriteArchive(path, reason: error.posixMessage)
    }
  }
}

extension PredictionFolder {
  /// Predictions of images without labels.
  ///
  /// - Throws: `InferenceError` if two of them have one name: the server takes one prediction of each.
  package init(
    _ destination: ExportDestination, ofUnlabeled images: [InputImage], _ table: LabelTable = .cityscapes
  ) throws {
    var paths: [String: String] = [:]
    let names = try images.map { image in
      let name = FileSystem.name(of: image.name)
      if let other = paths.updateValue(image.path, forKey: name) {
        throw InferenceError.sameName(name, first: other, second: image.path)
      }
      return name
    }
    self.init(destination, names: names, table)
  }

  /// Checks that cityscapesScripts will find one prediction for each image: it searches the folder and its folders for
  /// `CITY_SEQUENCE_FRAME*.png`. It accepts no images of other names.
  ///
  /// - Parameter images: their names in the data set; by default those of the files.
  package func requireOnePrediction(images: [String]? = nil) throws {
    let own = names.indices.map { (name: fileName($0), path: "\(path)/\(fileName($0))") }
    // What is written replaces files of the same name.
    let replaced = Set(own.map(\.path))
    var files = own + (isFolder ? Self.files(in: path).filter { !replaced.contains($0.path) } : [])
    files.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for image in Set(images ?? names).sorted() where image.count(where: { $0 == "_" }) == 2 {
      // Names with a common beginning lie side by side.
      var (low, high) = (0, files.count)
      while low < high {
        let middle = (low + high) / 2
        if files[middle].name.utf8.lexicographicallyPrecedes(image.utf8) { low = middle + 1 } else { high = middle }
      }
      let matching = files[low...].prefix { $0.name.utf8.starts(with: image.utf8) }.filter { $0.name.hasSuffix(".png") }
      guard matching.count > 1 else { continue }
      throw InferenceError.severalPredictions(
        folder: path, image: image, first: matching[0].path, second: matching[1].path)
    }
  }

  /// The files in a folder and its folders; links to folders are not followed, as the script does not.
  private static func files(in folder: String) -> [(name: String, path: String)] {
    FileSystem.names(in: folder).flatMap { name -> [(name: String, path: String)] in
      let path = "\(folder)/\(name)"
      return FileSystem.isDirectory(path) ? files(in: path) : [(name, path)]
    }
  }
}
