import Cityscapes
import Foundation
import GatedSCNN
import Images
import Tensors

/// Renders an image beside its ground truth and its prediction.
package struct PredictionRenderer {
  private let model: GatedSCNN
  private let table: LabelTable
  private let options: InferenceOptions
  private let workers: WorkerPool

  package init(
    _ model: GatedSCNN, _ table: LabelTable = .cityscapes, _ options: InferenceOptions = InferenceOptions(),
    workers: WorkerPool
  ) {
    self.model = model
    self.table = table
    self.options = options
    self.workers = workers
  }

  /// Finds an image by its path below `leftImg8bit/` of the data set, in another data set below its folder, or by its path
  /// in the file system.
  package static func find(
    _ name: String, in dataPath: String, _ table: LabelTable = .cityscapes
  ) throws -> String {
    let folder = table.isCityscapes ? "\(dataPath)/leftImg8bit" : dataPath
    for path in ["\(folder)/\(name)", name] where FileManager.default.fileExists(atPath: path) { return path }
    throw table.isCityscapes
      ? InferenceError.noSuchImage(name, dataPath: dataPath) : .noSuchImageBelow(folder, name)
  }

  /// Returns the image, its ground truth and its prediction side by side, in the colors of the classes. The ground truth is
  /// left out if its file is missing, and for the test split.
  ///
  /// - Parameter dataPath: the folder of the data set, by which other data sets than Cityscapes find their labels.
  package func render(_ path: String, in dataPath: String) throws -> Image {
    let image = try Photograph.read(path)
    var panels = [image]
    if let labels = labels(of: path, in: dataPath), FileManager.default.fileExists(atPath: labels) {
      panels.append(try colored(labels, size: image))
    }
    let trainIds = try ImagePredictor(model, options, workers: workers).predict(image, from: path).classes
    panels.append(Palette.colored(Image(image.size, channels: 1, pixels: trainIds), by: table.palette))
    return Image.hstack(panels)
  }

  /// The label map of an image of a data set; nil if it has none.
  private func labels(of path: String, in dataPath: String) -> String? {
    if let files = table.files {
      return files.label(ofImage: path, root: dataPath).flatMap { $0.split == .test ? nil : $0.label }
    }
    let ending = SamplePaths.imageSuffix
    guard path.hasSuffix(ending), let range = path.range(of: "leftImg8bit/", options: .backwards) else { return nil }
    let inside = path[range.upperBound...]
    guard !inside.hasPrefix("test/") else { return nil }
    return path[..<range.lowerBound] + "gtFine/" + inside.dropLast(ending.count) + "_gtFine_labelIds.png"
  }

  private func colored(_ labels: String, size image: Image) throws -> Image {
    let ids = try PNG.read(labels, as: .gray)
    guard ids.size == image.size else {
      throw InferenceError.sizeMismatch(
        labels: labels, labelSize: ids.size.widthByHeight, imageSize: image.size.widthByHeight)
    }
    return Palette.colored(ids, by: table.idPalette)
  }
}
