import Tensors

/// Sums over all pixels of a batch that several tasks make, each its own part, joined in one order.
///
/// An image is cut into segments by its size alone. The parts of an image are joined as a balanced binary tree, and
/// so are the images, as `PairwiseSum` does it: the order of additions depends neither on the threads nor, for one
/// image, on the others in the batch.
struct PartialSums {
  let images: Int
  let segments: Int
  /// Floats from part to part.
  private let stride: Int
  private let buffer: Buffer

  /// - Parameter count: floats in each sum; every part begins with arbitrary contents.
  init(images: Int, segments: Int, count: Int) {
    self.images = images
    self.segments = segments
    stride = (count + 15) & ~15
    buffer = Buffer(count: images * segments * stride)
  }

  /// Into how many segments to cut `rows` rows of an image, if besides there are `blocks` independent tasks.
  static func segments(rows: Int, blocks: Int) -> Int {
    /// Enough to keep the processors of one rank evenly busy.
    let wantedTasks = 16
    /// Fewer rows would not repay the memory of a part.
    let leastRows = 512
    return max(1, min(rows / leastRows, (wantedTasks + blocks - 1) / blocks))
  }

  /// The rows of segment `index` where an image has `rows`.
  func rows(of index: Int, in rows: Int) -> Range<Int> {
    (rows * index / segments)..<(rows * (index + 1) / segments)
  }

  func part(_ image: Int, _ segment: Int) -> UnsafeMutablePointer<Float> {
    buffer.start + (image * segments + segment) * stride
  }

  /// Joins the floats of `range` (whole vectors) of all parts; the sum is found in `part(0, 0)`.
  func join(_ range: Range<Int>) {
    for image in 0..<images {
      Self.join(part(image, 0), terms: segments, stride: stride, range)
    }
    Self.join(part(0, 0), terms: images, stride: segments * stride, range)
  }

  /// Adds neighbors, then neighbors of neighbors, and so on.
  private static func join(
    _ first: UnsafeMutablePointer<Float>, terms: Int, stride: Int, _ range: Range<Int>
  ) {
    var distance = 1
    while distance < terms {
      for term in Swift.stride(from: 0, to: terms - distance, by: 2 * distance) {
        let sum = first + term * stride
        let summand = sum + distance * stride
        microkernels.add(summand + range.lowerBound, to: sum + range.lowerBound, count: range.count)
      }
      distance *= 2
    }
  }
}
