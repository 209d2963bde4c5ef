import Microkernels
import Tensors

/// The products of a 1×1 convolution from or to a single channel, whose tensor is dense.
///
/// With M of several channels, `[N, H, W, C]`, a plane p of one, `[N, H, W, 1]`, and w of C numbers:
///
///     dot           p = M · w + b       forward to one channel, input gradient from one
///     outer         M = p · wᵀ + bᵀ     forward from one channel, input gradient to one
///     weightedSum   w = Mᵀ · p          weight gradient of both
enum SingleChannelConvolution {
  /// Pixels of a task.
  private static func grain(_ shape: Shape) -> Int { max(64, 65_536 / shape.stride) }

  static func dot(
    _ matrix: Tensor, _ weights: FloatSlice, plus offset: Float, into plane: Tensor, on workers: WorkerPool
  ) {
    let shape = matrix.shape
    let microkernels = workers.microkernels
    let padded = paddedCopy(weights, count: shape.stride)
    workers.forEachChunk(of: shape.pixels, grain: grain(shape)) { pixels, _ in
      let first = pixels.lowerBound
      microkernels.dot(
        matrix.elements + first * shape.stride, rows: pixels.count, width: shape.stride, padded.start, plus: offset,
        into: plane.start + first)
    }
  }

  static func outer(
    _ plane: Tensor, _ weights: FloatSlice, plus bias: FloatSlice?, into matrix: Tensor, on workers: WorkerPool
  ) {
    let shape = matrix.shape
    let microkernels = workers.microkernels
    let padded = paddedCopy(weights, count: shape.stride)
    let paddedBias = bias.map { paddedCopy($0, count: shape.stride) } ?? Buffer(count: shape.stride)
    if bias == nil { paddedBias.clear() }
    workers.forEachChunk(of: shape.pixels, grain: grain(shape)) { pixels, _ in
      let first = pixels.lowerBound
      microkernels.outerProduct(
        plane.start + first, rows: pixels.count, width: shape.stride, padded.start, plus: paddedBias.start,
        into: matrix.elements + first * shape.stride)
    }
  }

  static func weightedSum(of matrix: Tensor, by plane: Tensor, into weights: FloatSlice, on workers: WorkerPool) {
    let shape = matrix.shape
    let microkernels = workers.microkernels
    let width = shape.stride
    let sums = PartialSums(
      images: shape.images, segments: PartialSums.segments(rows: shape.pixelsPerImage, blocks: 1), count: width,
      on: workers)
    let chunkSums = Buffer(count: workers.threads * width)
    workers.parallelFor(sums.images * sums.segments) { task, worker in
      let image = task / sums.segments
      let pixels = sums.rows(of: task % sums.segments, in: shape.pixelsPerImage)
      let rows = matrix.elements(image: image)
      let values = plane.image(image)
      let target = sums.part(image, task % sums.segments)
      let sum = chunkSums.start + worker * width
      for c in stride(from: 0, to: width, by: 8) { target.store(Vector(), c) }
      // A sum of sums over short runs has less rounding error than one long sum.
      let chunk = 256
      for first in stride(from: pixels.lowerBound, to: pixels.upperBound, by: chunk) {
        for c in stride(from: 0, to: width, by: 8) { sum.store(Vector(), c) }
        microkernels.addRows(
          rows + first * width, rows: min(chunk, pixels.upperBound - first), width: width, times: values + first,
          to: sum)
        microkernels.add(sum, to: target, count: width)
      }
    }
    sums.join(0..<width)
    for c in 0..<weights.count { weights[c] = sums.part(0, 0)[c] }
  }
}
