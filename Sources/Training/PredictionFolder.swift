import Cityscapes
import Foundation
import Pictures
import Tensors

/// Where predictions are drawn.
package enum PredictionFolder {
  package static func make(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw TrainingError(
        "\(path): the folder cannot be made (\(error.reason)); give one that can be written")
    }
  }

  /// `NAME_color.png`: a palette picture of trainIds in Cityscapes' colours.
  static func writeColours(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws {
    try PNG.write(
      indices: Picture(width: size.width, height: size.height, channels: 1, pixels: trainIds), palette: Label.palette,
      to: "\(folder)/\(sample.name)_color.png")
  }

  /// `NAME_color.png`: a grey picture of labelIds, under the name the original implementation gave it.
  static func writeIds(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws {
    try writeGrey(trainIds, size, to: "\(folder)/\(sample.name)_color.png")
  }

  /// `NAME_prediction.png`: a grey picture of labelIds. The benchmark server asks for names that begin as the picture's
  /// does; this is none of the data set's own, so that no picture is lost should it lie in the same folder.
  package static func writeLabelIds(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws
  {
    try writeGrey(trainIds, size, to: "\(folder)/\(sample.name)_prediction.png")
  }

  private static func writeGrey(_ trainIds: [UInt8], _ size: Size, to path: String) throws {
    let ids = trainIds.map { Label.ids[Int($0)] }
    try PNG.write(Picture(width: size.width, height: size.height, channels: 1, pixels: ids), to: path)
  }
}
