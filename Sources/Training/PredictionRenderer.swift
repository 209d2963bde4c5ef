import Cityscapes
import Foundation
import GatedSCNN
import Images
import Tensors

/// Draws what a network sees.
package struct PredictionRenderer {
  private let model: GatedSCNN
  private let workers: WorkerPool

  package init(_ model: GatedSCNN, workers: WorkerPool) {
    self.model = model
    self.workers = workers
  }

  /// The image that a call means: below `leftImg8bit/` of the data set, or a path of its own.
  package static func find(_ name: String, in dataPath: String) throws -> String {
    for path in ["\(dataPath)/leftImg8bit/\(name)", name] where FileManager.default.fileExists(atPath: path) {
      return path
    }
    throw TrainingError(
      "--input-pic \(name): there is no \(dataPath)/leftImg8bit/\(name) and no file \(name); "
        + "give SPLIT/CITY/NAME_leftImg8bit.png or the path of an RGB PNG")
  }

  /// Image, ground truth where it is known (not for the test split), prediction, side by side in Cityscapes' colors.
  package func draw(_ path: String) throws -> Image {
    let image = try PNG.read(path, as: .rgb)
    var panels = [image]
    if let truth = try groundTruth(of: path, like: image) { panels.append(truth) }
    let batch = Batch(whole: Sample(unlabelled: image))
    let trainIds = model.predict(batch, withLoss: false, on: workers).predictions
    panels.append(
      Palette.colored(
        Image(image.size, channels: 1, pixels: trainIds),
        by: Label.palette))
    return Image.hstack(panels)
  }

  /// The labels beside an image of a data set, colored.
  private func groundTruth(of path: String, like image: Image) throws -> Image? {
    let ending = SamplePaths.imageSuffix
    guard path.hasSuffix(ending), let range = path.range(of: "leftImg8bit/", options: .backwards) else { return nil }
    let inside = path[range.upperBound...]
    guard !inside.hasPrefix("test/") else { return nil }
    let labels = path[..<range.lowerBound] + "gtFine/" + inside.dropLast(ending.count) + "_gtFine_labelIds.png"
    guard FileManager.default.fileExists(atPath: String(labels)) else { return nil }
    let ids = try PNG.read(String(labels), as: .gray)
    guard ids.size == image.size else {
      throw TrainingError(
        "\(labels): \(ids.size.widthByHeight), but its image is \(image.size.widthByHeight); "
          + "restore the file or remove it")
    }
    return Palette.colored(ids, by: Label.idPalette)
  }
}

extension Sample {
  /// An image without ground truth: every pixel ignored.
  init(unlabelled image: Image) {
    let map = { Image(image.size, channels: 1, filledWith: $0) }
    self.init(
      index: 0, image: image, trainIds: map(Label.ignored), canny: Canny.edges(of: image), boundary: map(0))
  }
}
