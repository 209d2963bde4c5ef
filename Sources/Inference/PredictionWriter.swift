import Cityscapes
import Images
import System
import Tensors

/// Writes predictions as PNG files.
package enum PredictionWriter {
  package static func createFolder(_ path: String) throws {
    do {
      try FileSystem().createDirectory(path)
    } catch {
      throw InferenceError.cannotCreateFolder(path, reason: error.posixMessage)
    }
  }

  /// Writes `NAME_color.png`: a palette image of train ids in the Cityscapes colors.
  package static func writeColors(_ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String) throws {
    try PNG.write(
      indices: Image(size, channels: 1, pixels: trainIds), palette: Label.palette,
      to: "\(folder)/\(sample.name)_color.png")
  }

  /// Writes `NAME_SUFFIX.png`: a gray image of label ids.
  ///
  /// - Parameter suffix: `prediction` makes a name that the benchmark server accepts and that no file of the data set has.
  ///   The reference implementation names the test split's predictions `color`.
  package static func writeLabelIds(
    _ trainIds: [UInt8], _ size: Size, of sample: SamplePaths, to folder: String, suffix: String = "prediction"
  ) throws {
    let ids = trainIds.map { Label.ids[Int($0)] }
    try PNG.write(Image(size, channels: 1, pixels: ids), to: "\(folder)/\(sample.name)_\(suffix).png")
  }
}
