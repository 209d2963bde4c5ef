import Cityscapes
import System

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
