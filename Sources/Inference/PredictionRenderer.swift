import Cityscapes
import Foundation
import GatedSCNN
import Images
import Tensors

/// Renders an image beside its ground truth and its prediction.
package struct PredictionRenderer {
  private let model: GatedSCNN
  private let options: InferenceOptions
  private let workers: WorkerPool

  package init(_ model: GatedSCNN, _ options: InferenceOptions = InferenceOptions(), workers: WorkerPool) {
    self.model = model
    self.options = options
    self.workers = workers
  }

  /// Finds an image by its path below `leftImg8bit/` of the data set, or by its path in the file system.
  package static func find(_ name: String, in dataPath: String) throws -> String {
    for path in ["\(dataPath)/leftImg8bit/\(name)", name] where FileManager.default.fileExists(atPath: path) {
      return path
    }
    throw InferenceError.noSuchImage(name, dataPath: dataPath)
  }

  /// Returns the image, its ground truth and its prediction side by side, in the Cityscapes colors. The ground truth is
  /// left out if its file is missing, and for the test split.
  package func render(_ path: String) throws -> Image {
    let image = try Photograph.read(path)
    var panels = [image]
    if let truth = try groundTruth(of: path, size: image) { panels.append(truth) }
    let trainIds = ImagePredictor(model, options, workers: workers).predict(image).classes
    panels.append(Palette.colored(Image(image.size, channels: 1, pixels: trainIds), by: Label.palette))
    return Image.hstack(panels)
  }

  /// The colored label map of an image of a data set; nil if there is none.
  private func groundTruth(of path: String, size image: Image) throws -> Image? {
    let ending = SamplePaths.imageSuffix
    guard path.hasSuffix(ending), let range = path.range(of: "leftImg8bit/", options: .backwards) else { return nil }
    let inside = path[range.upperBound...]
    guard !inside.hasPrefix("test/") else { return nil }
    let labels = path[..<range.lowerBound] + "gtFine/" + inside.dropLast(ending.count) + "_gtFine_labelIds.png"
    guard FileManager.default.fileExists(atPath: String(labels)) else { return nil }
    let ids = try PNG.read(String(labels), as: .gray)
    guard ids.size == image.size else {
      throw InferenceError.sizeMismatch(
        labels: String(labels), labelSize: ids.size.widthByHeight, imageSize: image.size.widthByHeight)
    }
    return Palette.colored(ids, by: Label.idPalette)
  }
}
