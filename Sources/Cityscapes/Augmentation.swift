import Images
import Tensors

/// The augmentation of one sample: resize, pad at the bottom and the right, crop, flip.
package struct Augmentation: Equatable, Sendable {
  /// The factor by which an image is resized.
  package enum Scale: Int, CaseIterable, Sendable {
    case half, one, double

    package var factor: Double {
      switch self {
      case .half: 0.5
      case .one: 1
      case .double: 2
      }
    }

    /// The size of an image after resizing.
    package func resized(_ size: Size) -> Size { Resize.scaled(size, by: factor) }
  }

  package var scale: Scale
  /// First row and column of the crop in the resized and padded image.
  package var row: Int
  package var column: Int
  /// Whether the crop is mirrored left to right.
  package var flip: Bool

  package init(scale: Scale, row: Int, column: Int, flip: Bool) {
    self.scale = scale
    self.row = row
    self.column = column
    self.flip = flip
  }

  /// The image as it is, cropped or padded at the bottom and the right.
  package static let none = Augmentation(scale: .one, row: 0, column: 0, flip: false)

  /// The random augmentation of sample `index` in epoch `epoch`: a function of these and the seed.
  package static func random(seed: UInt64, epoch: Int, index: Int, image: Size, crop: Size) -> Augmentation {
    var random = RandomNumbers(seed, RandomNumbers.hash("augmentation"), UInt64(epoch), UInt64(index))
    let scale = Scale.allCases[random.uniform(below: Scale.allCases.count)]
    let resized = scale.resized(image)
    // A side of the resized image that is smaller than the crop is padded to it; the crop then starts at 0.
    let row = random.uniform(below: max(resized.height - crop.height, 0) + 1)
    let column = random.uniform(below: max(resized.width - crop.width, 0) + 1)
    return Augmentation(scale: scale, row: row, column: column, flip: random.uniform(below: 2) == 1)
  }

  /// The part of the resized image inside a crop. The rest of the crop is padding.
  func visiblePart(of image: Size, crop: Size) -> Image.Rect {
    let resized = scale.resized(image)
    return Image.Rect(
      x: column, y: row,
      Size(min(crop.height, resized.height - row), min(crop.width, resized.width - column)))
  }

  /// The part of the original image from which a crop is computed.
  func source(of image: Size, crop: Size) -> Image.Rect {
    Resize.source(of: visiblePart(of: image, crop: crop), in: image, by: scale.factor)
  }
}
