import Microkernels
import Tensors

/// The cross entropy of pixels, −ln softmax(logits)[label].
enum CrossEntropy {
  /// Floats of memory that a row needs in `ofRow`.
  static func workspace(width: Int) -> Int { width + 16 }

  /// The cross entropy of each pixel, `N · H · W`; arbitrary where the label is ignored.
  ///
  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - target: labels below C, or `ignoreIndex`, `N · H · W`.
  static func entropies(logits: Tensor, target: [UInt8], ignoreIndex: UInt8, on workers: WorkerPool) -> Buffer {
    let shape = logits.shape
    precondition(target.count == shape.pixels)
    // Whole vectors are written: rows of the result would overlap.
    let row = workspace(width: shape.width)
    let workspaces = Buffer(count: workers.threads * 2 * row)
    let result = Buffer(count: shape.pixels)
    target.withUnsafeBufferPointer { target in
      guard let target = target.baseAddress else { return }
      workers.parallelFor(shape.images * shape.height) { index, worker in
        let first = index * shape.width
        let totals = workspaces.start + worker * 2 * row
        ofRow(
          logits.start + first * shape.stride, shape, target + first, ignoreIndex: ignoreIndex, totals: totals,
          entropies: totals + row, exponentials: nil)
        (result.start + first).update(from: totals + row, count: shape.width)
      }
    }
    return result
  }

  /// Of each pixel of a row whose label is not ignored:
  ///
  /// - Parameters:
  ///   - exponentials: receives e^(z − max z), z the logits, laid out as these.
  ///   - totals: receives the sum of a pixel's exponentials; `workspace` floats.
  ///   - entropies: receives the cross entropy; `workspace` floats.
  @inline(__always)
  static func ofRow(
    _ logits: UnsafeMutablePointer<Float>, _ shape: Shape, _ target: UnsafePointer<UInt8>, ignoreIndex: UInt8,
    totals: UnsafeMutablePointer<Float>, entropies: UnsafeMutablePointer<Float>,
    exponentials: UnsafeMutablePointer<Float>?
  ) {
    let stride = shape.stride
    let classes = shape.channels
    let last = (classes - 1) / 8 * 8
    let padding = VectorMath.lanes(from: classes - last)

    // max z − z[label] first; the logarithm of the sum is added to whole vectors.
    for column in 0..<shape.width {
      let label = target[column]
      if label == ignoreIndex {
        totals[column] = 1
        continue
      }
      precondition(Int(label) < classes, "a label is not less than the number of classes")
      let pixel = logits + column * stride
      let tail = pixel.vector(last).replacing(with: -.infinity, where: padding)
      var largest = tail
      var channel = 0
      while channel < last {
        largest = VectorMath.larger(largest, pixel.vector(channel))
        channel += 8
      }
      let maximum = Vector(repeating: VectorMath.largest(largest))
      let output = exponentials.map { $0 + column * stride }
      let tailExponential = VectorMath.exp(tail - maximum).replacing(with: 0, where: padding)
      output?.store(tailExponential, last)
      var total = tailExponential
      channel = 0
      while channel < last {
        let exponential = VectorMath.exp(pixel.vector(channel) - maximum)
        output?.store(exponential, channel)
        total += exponential
        channel += 8
      }
      totals[column] = total.horizontalSum
      entropies[column] = maximum[0] - pixel[Int(label)]
    }

    var column = 0
    while column < shape.width {
      entropies.store(entropies.vector(column) + VectorMath.log(totals.vector(column)), column)
      column += 8
    }
  }
}
