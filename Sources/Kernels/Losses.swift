import Microkernels
import Tensors

/// Softmax cross entropy, class-balanced binary cross entropy (BCE) of edges, cross entropy on predicted edges, and
/// their gradients, in one pass over the pixels.
///
/// With n valid pixels (label not ignored), n₊ of them on boundaries and n₋ not, s of them with a predicted edge
/// (p > threshold), p the predicted edge probability and y the boundary label:
///
///     semantic = Σ −ln softmax(logits)[label] / n
///     edge     = Σ w · −(y · ln p + (1 − y) · ln(1 − p)) / n,   w = n₋ / n on boundaries, n₊ / n elsewhere
///     task     = Σ −ln softmax(logits)[label], only where p > threshold, / s
///     total    = semantic + edgeWeight · edge + task
///
/// The counts are those of the global batch. Each rank's results are already divided by them: losses and gradients of
/// all ranks add up to those of the global batch.
package enum Losses {
  /// The constants of the losses.
  package struct Options: Sendable {
    /// The label of pixels that do not count (PyTorch's `ignore_index`).
    package let ignoreIndex: UInt8
    /// Above this probability an edge counts as predicted.
    package let edgeThreshold: Float
    /// Weight of the edge loss in the total.
    package let edgeWeight: Double

    package init(ignoreIndex: UInt8, edgeThreshold: Float, edgeWeight: Double) {
      self.ignoreIndex = ignoreIndex
      self.edgeThreshold = edgeThreshold
      self.edgeWeight = edgeWeight
    }
  }

  /// Numbers of pixels, which divide the losses.
  package struct PixelCounts: Sendable, Equatable {
    /// n: pixels whose label is not ignored. The other counts are of these pixels.
    package let valid: Double
    /// n₊
    package let onBoundary: Double
    /// n₋
    package let offBoundary: Double
    /// s: pixels whose edge probability is above the threshold.
    package let predictedEdge: Double

    package init(valid: Double, onBoundary: Double, offBoundary: Double, predictedEdge: Double) {
      self.valid = valid
      self.onBoundary = onBoundary
      self.offBoundary = offBoundary
      self.predictedEdge = predictedEdge
    }
  }

  /// The three losses. Those of the ranks add up to those of the global batch.
  package struct Terms: Sendable, Equatable {
    package let semantic: Double
    package let edge: Double
    package let task: Double

    package init(semantic: Double, edge: Double, task: Double) {
      self.semantic = semantic
      self.edge = edge
      self.task = task
    }
  }

  /// The gradients of the total.
  package struct Gradients {
    /// With respect to the logits, `[N, H, W, C]`.
    package let logits: Tensor
    /// With respect to the edge probabilities, `[N, H, W, 1]`.
    package let edge: Tensor
  }

  // MARK: - Entry points

  /// Counts pixels. The counts must be summed over the ranks before they are passed to `terms` or `termsAndGradients`.
  ///
  /// - Parameters:
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  package static func counts(
    edge: Tensor, target: [UInt8], boundary: [UInt8], _ options: Options, on workers: WorkerPool
  ) -> PixelCounts {
    let shape = edge.shape
    precondition(shape.channels == 1 && target.count == shape.pixels && boundary.count == shape.pixels)
    let rows = shape.images * shape.height
    let (ignoreIndex, threshold) = (options.ignoreIndex, options.edgeThreshold)
    var perRow = [SIMD4<Int>](repeating: .zero, count: rows)
    perRow.withUnsafeMutableBufferPointer { perRow in
      target.withUnsafeBufferPointer { target in
        boundary.withUnsafeBufferPointer { boundary in
          workers.parallelFor(rows) { row, _ in
            var valid = 0
            var onBoundary = 0
            var predictedEdge = 0
            for pixel in row * shape.width..<(row + 1) * shape.width where target[pixel] != ignoreIndex {
              valid += 1
              if boundary[pixel] != 0 { onBoundary += 1 }
              if edge.start[pixel] > threshold { predictedEdge += 1 }
            }
            perRow[row] = SIMD4(valid, onBoundary, valid - onBoundary, predictedEdge)
          }
        }
      }
    }
    let sum = perRow.reduce(.zero, &+)
    return PixelCounts(
      valid: Double(sum[0]), onBoundary: Double(sum[1]), offBoundary: Double(sum[2]), predictedEdge: Double(sum[3]))
  }

  /// The losses of a rank's images and the gradients of their total.
  ///
  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels below C, or `ignoreIndex`, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - counts: of the global batch.
  package static func termsAndGradients(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], counts: PixelCounts, _ options: Options,
    on workers: WorkerPool
  ) -> (terms: Terms, gradients: Gradients) {
    let gradients = Gradients(logits: Tensor(logits.shape), edge: Tensor(edge.shape))
    return (overRows(logits, edge, target, boundary, Scale(counts, options), gradients, on: workers), gradients)
  }

  /// The losses of a rank's images; the same bits as those of `termsAndGradients`, with the same parameters.
  package static func terms(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], counts: PixelCounts, _ options: Options,
    on workers: WorkerPool
  ) -> Terms {
    overRows(logits, edge, target, boundary, Scale(counts, options), nil, on: workers)
  }

  // MARK: - Over the batch

  private static func overRows(
    _ logits: Tensor, _ edge: Tensor, _ target: [UInt8], _ boundary: [UInt8], _ scale: Scale,
    _ gradients: Gradients?, on workers: WorkerPool
  ) -> Terms {
    let shape = logits.shape
    precondition(
      shape.channels > 1 && shape.channels <= Int(scale.options.ignoreIndex)
        && edge.shape == shape.with(channels: 1))
    precondition(target.count == shape.pixels && boundary.count == shape.pixels)
    let rows = shape.images * shape.height
    let width = shape.width
    let workspaces = Buffer(count: workers.threads * 2 * (width + 16))
    var rowSums = [RowSums](repeating: RowSums(), count: rows)
    rowSums.withUnsafeMutableBufferPointer { rowSums in
      target.withUnsafeBufferPointer { target in
        boundary.withUnsafeBufferPointer { boundary in
          guard let target = target.baseAddress, let boundary = boundary.baseAddress else { return }
          workers.parallelFor(rows) { row, worker in
            let first = row * width
            let workspace = workspaces.start + worker * 2 * (width + 16)
            var sums = RowSums()
            crossEntropy(
              logits.start + first * shape.stride, shape, edge.start + first, target + first, scale, workspace,
              gradient: gradients.map { $0.logits.start + first * shape.stride }, &sums)
            balancedBCE(
              edge.start + first, width, target + first, boundary + first, scale, workspace,
              gradient: gradients.map { $0.edge.start + first }, &sums)
            rowSums[row] = sums
          }
        }
      }
    }
    // Scaled before the pairwise sum over the images, so that the ranks' sums continue the same tree.
    let sum = PairwiseSum.total(
      (0..<shape.images).map { image in
        var sums = RowSums()
        for row in image * shape.height..<(image + 1) * shape.height { sums.add(rowSums[row]) }
        let terms = scale.terms(sums)
        return [terms.semantic, terms.edge, terms.task]
      })
    return Terms(semantic: sum[0], edge: sum[1], task: sum[2])
  }

  /// Unscaled sums over some pixels.
  private struct RowSums {
    var semantic = 0.0
    var task = 0.0
    var onBoundary = 0.0
    var offBoundary = 0.0

    mutating func add(_ other: RowSums) {
      semantic += other.semantic
      task += other.task
      onBoundary += other.onBoundary
      offBoundary += other.offBoundary
    }
  }

  /// The factor of each pixel in the losses.
  private struct Scale {
    let options: Options
    let semantic: Double
    let task: Double
    /// w / n of the edge loss.
    let onBoundary: Double
    let offBoundary: Double

    init(_ counts: PixelCounts, _ options: Options) {
      self.options = options
      let valid = max(counts.valid, 1)
      semantic = 1 / valid
      task = 1 / max(counts.predictedEdge, 1)
      onBoundary = counts.offBoundary / valid / valid
      offBoundary = counts.onBoundary / valid / valid
    }

    func terms(_ sums: RowSums) -> Terms {
      Terms(
        semantic: sums.semantic * semantic, edge: sums.onBoundary * onBoundary + sums.offBoundary * offBoundary,
        task: sums.task * task)
    }
  }

  // MARK: - Over a row

  /// Adds the cross entropies of a row. With z the logits, the gradient is k · (softmax(z) − one-hot(label)), where k
  /// is 1 / n, plus 1 / s at predicted edges.
  ///
  /// - Parameter workspace: 2 · (width + 16) floats.
  @inline(__always)
  private static func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, _ shape: Shape, _ edge: UnsafeMutablePointer<Float>,
    _ target: UnsafePointer<UInt8>, _ scale: Scale, _ workspace: UnsafeMutablePointer<Float>,
    gradient: UnsafeMutablePointer<Float>?, _ sums: inout RowSums
  ) {
    let stride = shape.stride
    let classes = shape.channels
    let (ignoreIndex, threshold) = (scale.options.ignoreIndex, scale.options.edgeThreshold)
    let last = (classes - 1) / 8 * 8
    let padding = VectorMath.lanes(from: classes - last)
    let totals = workspace
    let logarithms = workspace + shape.width + 16
    let weights = (Float(scale.semantic), Float(scale.semantic + scale.task))

    // Of each pixel: e^(z − max z), stored in the gradient; their sum; max z − z[label].
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
      let output = gradient.map { $0 + column * stride }
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
      logarithms[column] = maximum[0] - pixel[Int(label)]
    }

    var column = 0
    while column < shape.width {
      logarithms.store(logarithms.vector(column) + VectorMath.log(totals.vector(column)), column)
      column += 8
    }

    for column in 0..<shape.width {
      let label = target[column]
      let output = gradient.map { $0 + column * stride }
      if label == ignoreIndex {
        if let output { scalePixel(0, output, stride, clearing: true) }
        continue
      }
      let predictedEdge = edge[column] > threshold
      let entropy = Double(logarithms[column])
      sums.semantic += entropy
      if predictedEdge { sums.task += entropy }
      if let output {
        let weight = predictedEdge ? weights.1 : weights.0
        scalePixel(weight / totals[column], output, stride, clearing: false)
        output[Int(label)] -= weight
      }
    }
  }

  /// Multiplies a pixel by `factor`, or sets it to zero.
  @inline(__always)
  private static func scalePixel(
    _ factor: Float, _ pixel: UnsafeMutablePointer<Float>, _ stride: Int, clearing: Bool
  ) {
    var channel = 0
    while channel < stride {
      pixel.store(clearing ? .zero : pixel.vector(channel) * factor, channel)
      channel += 8
    }
  }

  /// Adds the binary cross entropies of a row. The gradient is edgeWeight · w / n · (p − y) / max(p · (1 − p), 10⁻¹²).
  /// As in PyTorch, logarithms are clamped to at least −100 and the divisor to at least 10⁻¹²; the gradient ignores the
  /// former.
  @inline(__always)
  private static func balancedBCE(
    _ edge: UnsafeMutablePointer<Float>, _ width: Int, _ target: UnsafePointer<UInt8>,
    _ boundary: UnsafePointer<UInt8>, _ scale: Scale, _ workspace: UnsafeMutablePointer<Float>,
    gradient: UnsafeMutablePointer<Float>?, _ sums: inout RowSums
  ) {
    let logP = workspace
    let logComplement = workspace + width + 16
    var column = 0
    while column < width {
      let p = edge.vector(column)
      let logarithm = VectorMath.log(p)
      logP.store(logarithm.replacing(with: -100, where: logarithm .< -100), column)
      let complement = VectorMath.logOfComplement(p)
      logComplement.store(complement.replacing(with: -100, where: complement .< -100), column)
      column += 8
    }
    let onBoundary = Float(scale.options.edgeWeight * scale.onBoundary)
    let offBoundary = Float(scale.options.edgeWeight * scale.offBoundary)
    let ignoreIndex = scale.options.ignoreIndex
    for column in 0..<width {
      if target[column] == ignoreIndex {
        gradient?[column] = 0
        continue
      }
      let p = edge[column]
      let divisor = max(p * (1 - p), 1e-12)
      if boundary[column] != 0 {
        sums.onBoundary -= Double(logP[column])
        gradient?[column] = onBoundary * ((p - 1) / divisor)
      } else {
        sums.offBoundary -= Double(logComplement[column])
        gradient?[column] = offBoundary * (p / divisor)
      }
    }
  }
}
