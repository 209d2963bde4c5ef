/// For each pixel of a crop along one axis, the source pixels that it is made of.
///
/// With half-pixel centres and the factors ½, 1 and 2, each value is a mean of two neighbours with weights in
/// quarters: (2, 2), (4, 0) and (3, 1). Both axes together give sixteenths, so bilinear resizing is exact in integers.
struct ResizedAxis {
  /// The two neighbours of each crop pixel, and the quarters that the second one counts.
  private(set) var first: [Int] = []
  private(set) var second: [Int] = []
  private(set) var quarters: [UInt16] = []
  /// The source pixel that a map of labels takes instead: ⌊i / factor⌋.
  private(set) var nearest: [Int] = []

  /// Crop pixels with a source; those behind them are padding.
  var count: Int { first.count }

  /// - Parameters:
  ///   - length: pixels of the source along this axis.
  ///   - origin: where the crop begins in the resized picture.
  ///   - crop: pixels of the crop.
  init(length: Int, scale: Augmentation.Scale, origin: Int, crop: Int) {
    let last = length - 1
    for target in origin..<max(origin, min(origin + crop, scale.resized(length))) {
      let (near, far, weight): (Int, Int, UInt16) =
        switch scale {
        case .half: (2 * target, 2 * target + 1, 2)
        case .one: (target, target, 0)
        case .double: (target / 2, target / 2 + (target % 2 == 0 ? -1 : 1), 1)
        }
      first.append(min(near, last))
      second.append(max(0, min(far, last)))
      quarters.append(weight)
      nearest.append(min(near, last))
    }
  }

  /// Lends `first`, `second` and `quarters` to a loop that checks no bounds.
  @inline(__always)
  func withNeighbours(
    _ body: (UnsafeBufferPointer<Int>, UnsafeBufferPointer<Int>, UnsafeBufferPointer<UInt16>) -> Void
  ) {
    first.withUnsafeBufferPointer { first in
      second.withUnsafeBufferPointer { second in
        quarters.withUnsafeBufferPointer { quarters in body(first, second, quarters) }
      }
    }
  }
}
