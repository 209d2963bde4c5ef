import Cityscapes
import Foundation
import Images
import Tensors

/// Where predictions are drawn.
package enum PredictionWriter {
  package static func make(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw TrainingError(
        "\(path): the folder cannot be made (\(error.reason)); give one that can be written")
    }
  }

  /// `NAME_color.png`: a palette image of trainIds in Cityscapes' colors.
  static func writeColors(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws {
    try PNG.write(
      indices: Image(size, channels: 1, pixels: trainIds), palette: Label.palette,
      to: "\(folder)/\(sample.name)_color.png")
  }

  /// `NAME_color.png`: a gray image of labelIds, under the name the original implementation gave it.
  static func writeIds(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws {
    try writeGray(trainIds, size, to: "\(folder)/\(sample.name)_color.png")
  }

  /// `NAME_prediction.png`: a gray image of labelIds. The benchmark server asks for names that begin as the image's
  /// does; this is none of the data set's own, so that no image is lost should it lie in the same folder.
  package static func writeLabelIds(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws
  {
    try writeGray(trainIds, size, to: "\(folder)/\(sample.name)_prediction.png")
  }

  private static func writeGray(_ trainIds: [UInt8], _ size: Size, to path: String) throws {
    let ids = trainIds.map { Label.ids[Int($0)] }
    try PNG.write(Image(size, channels: 1, pixels: ids), to: path)
  }
}
