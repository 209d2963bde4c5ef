import Tensors

/// What is done to one sample on its way into a batch: resize, pad at the bottom and the right, crop, flip.
package struct Augmentation: Equatable, Sendable {
  /// The factor by which a picture is resized.
  package enum Scale: Int, CaseIterable, Sendable {
    case half, one, double

    /// Pixels along an axis of `length` pixels after resizing: rounded, halves to even, as OpenCV does.
    package func resized(_ length: Int) -> Int {
      switch self {
      case .half: max(1, Int((Double(length) / 2).rounded(.toNearestOrEven)))
      case .one: length
      case .double: length * 2
      }
    }
  }

  package var scale: Scale
  /// First row and column of the crop in the resized and padded picture.
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

  /// The picture as it is, cut or padded at the bottom and the right.
  package static let none = Augmentation(scale: .one, row: 0, column: 0, flip: false)

  /// What sample `index` gets in epoch `epoch`: a function of these and the seed, whoever asks.
  package static func drawn(seed: UInt64, epoch: Int, index: Int, picture: Size, crop: Size) -> Augmentation {
    var random = RandomNumbers(seed, RandomNumbers.hash("augmentation"), UInt64(epoch), UInt64(index))
    let scale = Scale.allCases[random.below(Scale.allCases.count)]
    // Where the resized picture is smaller than the crop it is padded up to it, and there is one place to cut.
    let row = random.below(max(scale.resized(picture.height) - crop.height, 0) + 1)
    let column = random.below(max(scale.resized(picture.width) - crop.width, 0) + 1)
    return Augmentation(scale: scale, row: row, column: column, flip: random.below(2) == 1)
  }
}
