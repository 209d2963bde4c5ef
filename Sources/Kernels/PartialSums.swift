import Tensors

/// Sums over all pixels of a batch that several tasks make, each its own part, joined in one order.
///
/// A picture is cut into segments by its size alone. The parts of a picture are joined as a balanced binary tree, and
/// so are the pictures, as `TreeSum` does it: the order of additions depends neither on the threads nor, for one
/// picture, on the others in the batch.
struct PartialSums {
  let pictures: Int
  let segments: Int
  /// Floats from part to part.
  private let stride: Int
  private let buffer: Buffer

  /// - Parameter count: floats in each sum; every part begins with arbitrary contents.
  init(pictures: Int, segments: Int, count: Int) {
    self.pictures = pictures
    self.segments = segments
    stride = (count + 15) & ~15
    buffer = Buffer(count: pictures * segments * stride)
  }

  /// Into how many segments to cut `rows` rows of a picture, if besides there are `blocks` independent tasks.
  static func segments(rows: Int, blocks: Int) -> Int {
    /// Enough to keep the processors of one rank evenly busy.
    let wantedTasks = 16
    /// Fewer rows would not repay the memory of a part.
    let leastRows = 512
    return max(1, min(rows / leastRows, (wantedTasks + blocks - 1) / blocks))
  }

  /// The rows of segment `index` where a picture has `rows`.
  func rows(of index: Int, in rows: Int) -> Range<Int> {
    (rows * index / segments)..<(rows * (index + 1) / segments)
  }

  func part(_ picture: Int, _ segment: Int) -> UnsafeMutablePointer<Float> {
    buffer.start + (picture * segments + segment) * stride
  }

  /// Joins the floats of `range` (whole vectors) of all parts; the sum is found in `part(0, 0)`.
  func join(_ range: Range<Int>) {
    for picture in 0..<pictures {
      Self.join(part(picture, 0), terms: segments, stride: stride, range)
    }
    Self.join(part(0, 0), terms: pictures, stride: segments * stride, range)
  }

  /// Adds neighbours, then neighbours of neighbours, and so on.
  private static func join(
    _ first: UnsafeMutablePointer<Float>, terms: Int, stride: Int, _ range: Range<Int>
  ) {
    var distance = 1
    while distance < terms {
      for term in Swift.stride(from: 0, to: terms - distance, by: 2 * distance) {
        let sum = first + term * stride
        let summand = sum + distance * stride
        loops.add(summand + range.lowerBound, to: sum + range.lowerBound, count: range.count)
      }
      distance *= 2
    }
  }
}
