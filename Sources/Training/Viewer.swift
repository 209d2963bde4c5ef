import Cityscapes
import Foundation
import GatedSCNN
import Pictures
import Tensors

/// Draws what a network sees.
package struct Viewer {
  private let model: GatedSCNN
  private let workers: WorkerPool

  package init(_ model: GatedSCNN, workers: WorkerPool) {
    self.model = model
    self.workers = workers
  }

  /// The picture that a call means: below `leftImg8bit/` of the data set, or a path of its own.
  package static func find(_ name: String, in dataPath: String) throws -> String {
    for path in ["\(dataPath)/leftImg8bit/\(name)", name] where FileManager.default.fileExists(atPath: path) {
      return path
    }
    throw TrainingError(
      "--input-pic \(name): there is no \(dataPath)/leftImg8bit/\(name) and no file \(name); "
        + "give SPLIT/CITY/NAME_leftImg8bit.png or the path of an RGB PNG")
  }

  /// Picture, ground truth where it is known (not for the test split), prediction, side by side in Cityscapes' colours.
  package func draw(_ path: String) throws -> Picture {
    let picture = try PNG.read(path, as: .rgb)
    var panels = [picture]
    if let truth = try groundTruth(of: path, like: picture) { panels.append(truth) }
    let batch = Batch(whole: Sample(unlabelled: picture))
    let trainIds = model.judge(batch, withLoss: false, on: workers).predictions
    panels.append(
      Palette.coloured(
        Picture(width: picture.width, height: picture.height, channels: 1, pixels: trainIds),
        by: Label.palette))
    return Picture.beside(panels)
  }

  /// The labels beside a picture of a data set, coloured.
  private func groundTruth(of path: String, like picture: Picture) throws -> Picture? {
    let ending = "_leftImg8bit.png"
    guard path.hasSuffix(ending), let range = path.range(of: "leftImg8bit/", options: .backwards) else { return nil }
    let inside = path[range.upperBound...]
    guard !inside.hasPrefix("test/") else { return nil }
    let labels = path[..<range.lowerBound] + "gtFine/" + inside.dropLast(ending.count) + "_gtFine_labelIds.png"
    guard FileManager.default.fileExists(atPath: String(labels)) else { return nil }
    let ids = try PNG.read(String(labels), as: .grey)
    guard ids.width == picture.width, ids.height == picture.height else {
      throw TrainingError(
        "\(labels): \(ids.width)×\(ids.height), but its picture is \(picture.width)×\(picture.height); "
          + "restore the file or remove it")
    }
    return Palette.coloured(ids, by: Label.idPalette)
  }
}

extension Sample {
  /// A picture without ground truth: every pixel ignored.
  init(unlabelled picture: Picture) {
    let map = { Picture(width: picture.width, height: picture.height, channels: 1, filledWith: $0) }
    self.init(
      index: 0, picture: picture, trainIds: map(Label.ignored), canny: Canny.edges(of: picture), boundary: map(0))
  }
}
