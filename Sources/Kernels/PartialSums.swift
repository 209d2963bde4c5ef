import Microkernels
import Tensors

/// Sums over all pixels of a batch: several tasks compute partial sums, which are then added in a fixed order.
///
/// An image is cut into segments by its size alone. The partial sums of an image are added as a balanced binary tree,
/// and so are the images, like in `PairwiseSum`: the order of additions depends neither on the threads nor, for one
/// image, on the others in the batch.
struct PartialSums {
  let images: Int
  let segments: Int
  /// Floats from one partial sum to the next.
  private let stride: Int
  private let buffer: Buffer
  private let microkernels: any MicrokernelSet.Type

  /// - Parameter count: floats in each sum. Partial sums begin with arbitrary contents.
  init(images: Int, segments: Int, count: Int, on workers: WorkerPool) {
    self.images = images
    self.segments = segments
    stride = count.roundedUp(toMultipleOf: 16)
    microkernels = workers.microkernels
    buffer = Buffer(count: images * segments * stride)
  }

  /// The number of segments for `rows` rows of an image if each segment makes `blocks` independent tasks.
  static func segments(rows: Int, blocks: Int) -> Int {
    /// Enough tasks to keep the threads of a rank evenly busy.
    let wantedTasks = 16
    /// Fewer rows are not worth the memory of a partial sum.
    let leastRows = 512
    return max(1, min(rows / leastRows, wantedTasks.dividedRoundingUp(by: blocks)))
  }

  /// The rows of segment `index` of an image with `rows` rows.
  func rows(of index: Int, in rows: Int) -> Range<Int> {
    (rows * index / segments)..<(rows * (index + 1) / segments)
  }

  /// The partial sum of a segment.
  func part(_ image: Int, _ segment: Int) -> UnsafeMutablePointer<Float> {
    buffer.start + (image * segments + segment) * stride
  }

  /// Adds the floats of `range` (whole vectors) of all partial sums into `part(0, 0)`.
  func join(_ range: Range<Int>) {
    for image in 0..<images {
      join(part(image, 0), terms: segments, stride: stride, range)
    }
    join(part(0, 0), terms: images, stride: segments * stride, range)
  }

  /// Adds neighbors, then neighbors of neighbors, and so on.
  private func join(
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
