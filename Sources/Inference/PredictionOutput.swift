import Cityscapes
import GatedSCNN
import Images
import Kernels
import Tensors

/// A file that `gscnn predict` writes for an image.
package enum PredictionOutput: String, Codable, Sendable, CaseIterable {
  /// A palette image of train ids in the colors of their classes.
  case color
  /// A gray image of label ids.
  case labelIds
  /// The image and the colors of its classes, half and half.
  case overlay
  /// The probability of each class at each pixel: NumPy's format, float16, `[classes, H, W]` by train id.
  case probabilities

  /// The end of the file's name.
  package var suffix: String { "_\(rawValue).\(self == .probabilities ? "npy" : "png")" }

  /// The contents of the file.
  ///
  /// - Parameters:
  ///   - table: of the predicted classes.
  ///   - path: named in errors.
  func encode(
    _ prediction: ImagePredictor.Prediction, of image: Image, _ table: LabelTable, for path: String
  ) throws(ImageError) -> [UInt8] {
    let classes = Image(image.size, channels: 1, pixels: prediction.classes)
    switch self {
    case .color: return try PNG.encode(indices: classes, palette: table.palette, for: path)
    case .labelIds: return try PNG.encode(table.labelIds(classes), for: path)
    case .overlay:
      return try PNG.encode(Palette.blended(image, Palette.colored(classes, by: table.palette)), for: path)
    case .probabilities:
      guard let probabilities = prediction.probabilities else { preconditionFailure("they were not kept") }
      return Self.numpy(probabilities)
    }
  }

  /// A file of NumPy's format, version 1.0 (numpy.lib.format).
  private static func numpy(_ map: ProbabilityMap) -> [UInt8] {
    let (classes, pixels) = (map.channels, map.size.height * map.size.width)
    let description =
      "{'descr': '<f2', 'fortran_order': False, 'shape': (\(classes), \(map.size.height), \(map.size.width)), }"
    // Magic, version and length are ten bytes; the data begins at a multiple of 64.
    let length = (10 + description.utf8.count + 1).roundedUp(toMultipleOf: 64) - 10
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: length - description.utf8.count - 1)
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
    bytes += Array(description.utf8) + padding + [UInt8(ascii: "\n")]
    bytes.reserveCapacity(bytes.count + 2 * classes * pixels)
    for channel in 0..<classes {
      for pixel in 0..<pixels {
        let bits = Float16(map.probability(of: channel, at: pixel)).bitPattern
        bytes.append(UInt8(truncatingIfNeeded: bits))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
      }
    }
    return bytes
  }
}
