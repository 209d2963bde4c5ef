import Microkernels
import Tensors

/// The three losses of the network (§3.3) and their gradients, in one pass over the pixels.
///
/// With n the pixels whose label is known, n₊ of them on boundaries and n₋ elsewhere, s of them where the network sees an
/// edge, p the probability of an edge and y whether there is one:
///
///     semantic = Σ −ln softmax(logits)[label] / n
///     edge     = Σ w · −(y · ln p + (1 − y) · ln(1 − p)) / n,   w = n₋ / n on boundaries, n₊ / n elsewhere
///     task     = Σ −ln softmax(logits)[label], only where p > 0.8, / s
///
/// The counts are those of the global batch. What a rank returns is divided by them already: sums and gradients of all
/// ranks add up to those of the whole.
package enum Losses {
  /// The label of pixels that are left out of everything.
  package static let ignored: UInt8 = 255
  /// From this probability on the network sees an edge.
  package static let edgeThreshold: Float = 0.8
  /// What the edge loss counts in the total: semantic + 20 · edge + task.
  package static let edgeWeight = 20.0

  /// The losses of a rank's images and their gradients.
  package struct Joint {
    /// Semantic, edge and task: this rank's summands of the losses of the global batch.
    package let sums: [Double]
    /// Gradient of semantic + 20 · edge + task with respect to the logits, `[N, H, W, C]`.
    package let logitsGradient: Tensor
    /// The same with respect to the edge's probability, `[N, H, W, 1]`.
    package let edgeGradient: Tensor
  }

  // MARK: - What is asked for

  /// Counts pixels: those whose label is known, of these those on boundaries, those elsewhere, and those where the network
  /// sees an edge. To be summed over ranks before they go into `jointLoss` or `value`.
  ///
  /// - Parameters:
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels, 255 = ignored, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  package static func counts(
    edge: Tensor, target: [UInt8], boundary: [UInt8], on workers: WorkerPool
  ) -> [Double] {
    let shape = edge.shape
    precondition(shape.channels == 1 && target.count == shape.pixels && boundary.count == shape.pixels)
    let rows = shape.images * shape.height
    var perRow = [SIMD4<Int>](repeating: .zero, count: rows)
    perRow.withUnsafeMutableBufferPointer { perRow in
      target.withUnsafeBufferPointer { target in
        boundary.withUnsafeBufferPointer { boundary in
          workers.parallelFor(rows) { row, _ in
            var known = 0
            var onBoundary = 0
            var strong = 0
            for pixel in row * shape.width..<(row + 1) * shape.width where target[pixel] != ignored {
              known += 1
              if boundary[pixel] != 0 { onBoundary += 1 }
              if edge.start[pixel] > edgeThreshold { strong += 1 }
            }
            perRow[row] = SIMD4(known, onBoundary, known - onBoundary, strong)
          }
        }
      }
    }
    let sum = perRow.reduce(.zero, &+)
    return (0..<4).map { Double(sum[$0]) }
  }

  /// The losses and their gradients.
  ///
  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels below C, 255 = ignored, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - counts: those of the global batch.
  package static func jointLoss(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], counts: [Double], on workers: WorkerPool
  ) -> Joint {
    let gradients = (logits: Tensor(logits.shape), edge: Tensor(edge.shape))
    let sums = overRows(logits, edge, target, boundary, counts, gradients, on: workers)
    return Joint(sums: sums, logitsGradient: gradients.logits, edgeGradient: gradients.edge)
  }

  /// The losses alone: semantic, edge and task, bit for bit those of `jointLoss`.
  package static func value(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], counts: [Double], on workers: WorkerPool
  ) -> [Double] {
    overRows(logits, edge, target, boundary, counts, nil, on: workers)
  }

  // MARK: - Over the batch

  private static func overRows(
    _ logits: Tensor, _ edge: Tensor, _ target: [UInt8], _ boundary: [UInt8], _ counts: [Double],
    _ gradients: (logits: Tensor, edge: Tensor)?, on workers: WorkerPool
  ) -> [Double] {
    let shape = logits.shape
    precondition(shape.channels > 1 && shape.channels <= Int(ignored) && edge.shape == shape.with(channels: 1))
    precondition(target.count == shape.pixels && boundary.count == shape.pixels && counts.count == 4)
    let scale = Scale(counts)
    let rows = shape.images * shape.height
    let width = shape.width
    let scratch = Buffer(count: workers.threads * 2 * (width + 16))
    var rowSums = [RowSums](repeating: RowSums(), count: rows)
    rowSums.withUnsafeMutableBufferPointer { rowSums in
      target.withUnsafeBufferPointer { target in
        boundary.withUnsafeBufferPointer { boundary in
          guard let target = target.baseAddress, let boundary = boundary.baseAddress else { return }
          workers.parallelFor(rows) { row, worker in
            let first = row * width
            let space = scratch.start + worker * 2 * (width + 16)
            var sums = RowSums()
            crossEntropy(
              logits.start + first * shape.stride, shape, edge.start + first, target + first, scale, space,
              gradient: gradients.map { $0.logits.start + first * shape.stride }, &sums)
            balancedBCE(
              edge.start + first, width, target + first, boundary + first, scale, space,
              gradient: gradients.map { $0.edge.start + first }, &sums)
            rowSums[row] = sums
          }
        }
      }
    }
    // Divided before they are joined, so that the ranks' summands continue the same tree.
    return PairwiseSum.total(
      (0..<shape.images).map { image in
        var sums = RowSums()
        for row in image * shape.height..<(image + 1) * shape.height { sums.add(rowSums[row]) }
        return scale.losses(sums)
      })
  }

  /// Sums over some pixels, before anything divides them.
  private struct RowSums {
    var semantic = 0.0
    var task = 0.0
    var onBoundary = 0.0
    var elsewhere = 0.0

    mutating func add(_ other: RowSums) {
      semantic += other.semantic
      task += other.task
      onBoundary += other.onBoundary
      elsewhere += other.elsewhere
    }
  }

  /// What each pixel's part in the losses is divided by.
  private struct Scale {
    let semantic: Double
    let task: Double
    /// Weights of the edge loss, over n.
    let onBoundary: Double
    let elsewhere: Double

    init(_ counts: [Double]) {
      let known = max(counts[0], 1)
      semantic = 1 / known
      task = 1 / max(counts[3], 1)
      onBoundary = counts[2] / known / known
      elsewhere = counts[1] / known / known
    }

    func losses(_ sums: RowSums) -> [Double] {
      [
        sums.semantic * semantic, sums.onBoundary * onBoundary + sums.elsewhere * elsewhere,
        sums.task * task,
      ]
    }
  }

  // MARK: - Over a row

  /// Adds the cross entropies of a row. With z the logits, the gradient is k · (softmax(z) − one-hot(label)), where k is
  /// 1 / n, and 1 / s more where the network sees an edge.
  @inline(__always)
  private static func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, _ shape: Shape, _ edge: UnsafeMutablePointer<Float>,
    _ target: UnsafePointer<UInt8>, _ scale: Scale, _ space: UnsafeMutablePointer<Float>,
    gradient: UnsafeMutablePointer<Float>?, _ sums: inout RowSums
  ) {
    let stride = shape.stride
    let classes = shape.channels
    let last = (classes - 1) / 8 * 8
    let padding = VectorMath.lanes(from: classes - last)
    let totals = space
    let logarithms = space + shape.width + 16
    let weights = (Float(scale.semantic), Float(scale.semantic + scale.task))

    // Of each pixel e^(z − max z), which the gradient keeps, their sum, and max z − z[label].
    for column in 0..<shape.width {
      let label = target[column]
      if label == ignored {
        totals[column] = 1
        continue
      }
      precondition(Int(label) < classes, "a label is not below the number of classes")
      let pixel = logits + column * stride
      let tail = pixel.vector(last).replacing(with: -.infinity, where: padding)
      var largest = tail
      var channel = 0
      while channel < last {
        largest = VectorMath.larger(largest, pixel.vector(channel))
        channel += 8
      }
      let maximum = Vector(repeating: VectorMath.largest(largest))
      let kept = gradient.map { $0 + column * stride }
      let tailExponential = VectorMath.exp(tail - maximum).replacing(with: 0, where: padding)
      kept?.store(tailExponential, last)
      var total = tailExponential
      channel = 0
      while channel < last {
        let exponential = VectorMath.exp(pixel.vector(channel) - maximum)
        kept?.store(exponential, channel)
        total += exponential
        channel += 8
      }
      totals[column] = total.horizontalSum
      logarithms[column] = maximum[0] - pixel[Int(label)]
    }

    var column = 0
    while column < shape.width {
      logarithms.store(logarithms.vector(column) + VectorMath.log(totals.vector(column)), column)
      column += 8
    }

    for column in 0..<shape.width {
      let label = target[column]
      let kept = gradient.map { $0 + column * stride }
      if label == ignored {
        if let kept { times(0, kept, stride, clearing: true) }
        continue
      }
      let strong = edge[column] > edgeThreshold
      let entropy = Double(logarithms[column])
      sums.semantic += entropy
      if strong { sums.task += entropy }
      if let kept {
        let weight = strong ? weights.1 : weights.0
        times(weight / totals[column], kept, stride, clearing: false)
        kept[Int(label)] -= weight
      }
    }
  }

  @inline(__always)
  private static func times(
    _ factor: Float, _ pixel: UnsafeMutablePointer<Float>, _ stride: Int, clearing: Bool
  ) {
    var channel = 0
    while channel < stride {
      pixel.store(clearing ? .zero : pixel.vector(channel) * factor, channel)
      channel += 8
    }
  }

  /// Adds the binary cross entropies of a row. The gradient is 20 · w / n · (p − y) / max(p · (1 − p), 10⁻¹²): logarithms
  /// are held above −100 and the divisor off 0 as in PyTorch, whose gradient does not see the former.
  @inline(__always)
  private static func balancedBCE(
    _ edge: UnsafeMutablePointer<Float>, _ width: Int, _ target: UnsafePointer<UInt8>,
    _ boundary: UnsafePointer<UInt8>, _ scale: Scale, _ space: UnsafeMutablePointer<Float>,
    gradient: UnsafeMutablePointer<Float>?, _ sums: inout RowSums
  ) {
    let ofEdge = space
    let ofNone = space + width + 16
    var column = 0
    while column < width {
      let p = edge.vector(column)
      let logarithm = VectorMath.log(p)
      ofEdge.store(logarithm.replacing(with: -100, where: logarithm .< -100), column)
      let complement = VectorMath.logOfComplement(p)
      ofNone.store(complement.replacing(with: -100, where: complement .< -100), column)
      column += 8
    }
    let onBoundary = Float(edgeWeight * scale.onBoundary)
    let elsewhere = Float(edgeWeight * scale.elsewhere)
    for column in 0..<width {
      if target[column] == ignored {
        gradient?[column] = 0
        continue
      }
      let p = edge[column]
      let divisor = max(p * (1 - p), 1e-12)
      if boundary[column] != 0 {
        sums.onBoundary -= Double(ofEdge[column])
        gradient?[column] = onBoundary * ((p - 1) / divisor)
      } else {
        sums.elsewhere -= Double(ofNone[column])
        gradient?[column] = elsewhere * (p / divisor)
      }
    }
  }
}
