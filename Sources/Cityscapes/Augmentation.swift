import Images
import Tensors

/// What is done to one sample on its way into a batch: resize, pad at the bottom and the right, crop, flip.
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

    /// What an image of `size` becomes.
    package func resized(_ size: Size) -> Size {
      Size(Resize.scaled(size.height, by: factor), Resize.scaled(size.width, by: factor))
    }
  }

  package var scale: Scale
  /// First row and column of the crop in the resized and padded image.
  package var row: Int
  package var column: Int
  /// Left and right change places after cropping.
  package var flip: Bool

  package init(scale: Scale, row: Int, column: Int, flip: Bool) {
    self.scale = scale
    self.row = row
    self.column = column
    self.flip = flip
  }

  /// The image as it is, cut or padded at the bottom and the right.
  package static let none = Augmentation(scale: .one, row: 0, column: 0, flip: false)

  /// What sample `index` gets in epoch `epoch`: a function of these and the seed, whoever asks.
  package static func random(seed: UInt64, epoch: Int, index: Int, image: Size, crop: Size) -> Augmentation {
    var random = RandomNumbers(seed, RandomNumbers.hash("augmentation"), UInt64(epoch), UInt64(index))
    let scale = Scale.allCases[random.uniform(below: Scale.allCases.count)]
    let resized = scale.resized(image)
    // Where the resized image is smaller than the crop it is padded up to it, and there is one place to cut.
    let row = random.uniform(below: max(resized.height - crop.height, 0) + 1)
    let column = random.uniform(below: max(resized.width - crop.width, 0) + 1)
    return Augmentation(scale: scale, row: row, column: column, flip: random.uniform(below: 2) == 1)
  }

  /// The part of the resized image that a crop shows; beyond it is padding.
  func shown(of image: Size, crop: Size) -> Image.Rect {
    let resized = scale.resized(image)
    return Image.Rect(
      x: column, y: row, width: min(crop.width, resized.width - column), height: min(crop.height, resized.height - row))
  }

  /// The part of the image itself that a crop is made of.
  func source(of image: Size, crop: Size) -> Image.Rect {
    Resize.source(
      of: shown(of: image, crop: crop), width: image.width, height: image.height, by: scale.factor)
  }
}
