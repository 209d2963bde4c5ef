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
/// With class weights, semantic and task are weighted means, as PyTorch's: with v the weight of the label,
/// Σ v · −ln softmax(logits)[label] / Σ v. With `HardExampleMining`, semantic is the mean over the pixels that it keeps.
///
/// The counts are those of the global batch. Each rank's results are already divided by them: losses and gradients of
/// all ranks add up to those of the global batch.
package enum Losses {
  // MARK: - Entry points

  /// Chooses the pixels of the semantic loss.
  ///
  /// - Returns: 1 for each pixel that counts, else 0; nil if all valid pixels do.
  package static func kept(
    logits: Tensor, target: [UInt8], _ options: Options, on workers: WorkerPool
  ) -> [UInt8]? {
    options.mining?.kept(logits: logits, target: target, ignoreIndex: options.ignoreIndex, on: workers)
  }

  /// Counts pixels. The counts must be summed over the ranks before they are passed to `terms` or `termsAndGradients`.
  ///
  /// - Parameters:
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - kept: the pixels of the semantic loss.
  package static func counts(
    edge: Tensor, target: [UInt8], boundary: [UInt8], kept: [UInt8]? = nil, _ options: Options, on workers: WorkerPool
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
    let weights =
      options.classWeights == nil && kept == nil
      ? nil : pixelWeights(edge: edge, target: target, kept: kept, options, on: workers)
    return PixelCounts(
      valid: Double(sum[0]), onBoundary: Double(sum[1]), offBoundary: Double(sum[2]), predictedEdge: Double(sum[3]),
      semanticWeight: weights?[0], taskWeight: weights?[1])
  }

  /// The sums of the class weights of the pixels of the semantic and of the task loss. Those of the images are added as a
  /// tree, which the sum over the ranks continues.
  private static func pixelWeights(
    edge: Tensor, target: [UInt8], kept: [UInt8]?, _ options: Options, on workers: WorkerPool
  ) -> [Double] {
    let (images, pixels) = (edge.shape.images, edge.shape.pixelsPerImage)
    let classWeights = options.classWeights ?? [Double](repeating: 1, count: Int(options.ignoreIndex))
    var sums = [SIMD2<Double>](repeating: .zero, count: images)
    sums.withUnsafeMutableBufferPointer { sums in
      workers.parallelFor(images) { image, _ in
        var counts = [SIMD2<Int>](repeating: .zero, count: 256)
        for pixel in image * pixels..<(image + 1) * pixels {
          counts[Int(target[pixel])] &+= SIMD2(
            kept.map { Int($0[pixel]) } ?? 1, edge.start[pixel] > options.edgeThreshold ? 1 : 0)
        }
        for (label, weight) in classWeights.enumerated() where label != Int(options.ignoreIndex) {
          sums[image] += weight * SIMD2<Double>(Double(counts[label][0]), Double(counts[label][1]))
        }
      }
    }
    return PairwiseSum.total(sums.map { [$0[0], $0[1]] })
  }

  /// The losses of a rank's images and the gradients of their total.
  ///
  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - edge: probabilities, `[N, H, W, 1]`.
  ///   - target: labels below C, or `ignoreIndex`, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - kept: the pixels of the semantic loss.
  ///   - counts: of the global batch.
  package static func termsAndGradients(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], kept: [UInt8]? = nil, counts: PixelCounts,
    _ options: Options, on workers: WorkerPool
  ) -> (terms: Terms, gradients: Gradients) {
    let gradients = Gradients(logits: Tensor(logits.shape), edge: Tensor(edge.shape))
    return (
      overRows(
        logits, edge, target, boundary, kept, Scale(counts, options, logits.shape.channels), gradients, on: workers),
      gradients
    )
  }

  /// The losses of a rank's images; the same bits as those of `termsAndGradients`, with the same parameters.
  package static func terms(
    logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8], kept: [UInt8]? = nil, counts: PixelCounts,
    _ options: Options, on workers: WorkerPool
  ) -> Terms {
    overRows(
      logits, edge, target, boundary, kept, Scale(counts, options, logits.shape.channels), nil, on: workers)
  }

  // MARK: - Over the batch

  private static func overRows(
    _ logits: Tensor, _ edge: Tensor, _ target: [UInt8], _ boundary: [UInt8], _ kept: [UInt8]?, _ scale: Scale,
    _ gradients: Gradients?, on workers: WorkerPool
  ) -> Terms {
    let shape = logits.shape
    precondition(
      shape.channels > 1 && shape.channels <= Int(scale.options.ignoreIndex)
        && edge.shape == shape.with(channels: 1))
    precondition(
      target.count == shape.pixels && boundary.count == shape.pixels && kept.map { $0.count == shape.pixels } ?? true)
    let rows = shape.images * shape.height
    let width = shape.width
    let workspaces = Buffer(count: workers.threads * 2 * CrossEntropy.workspace(width: width))
    let kept = kept ?? [UInt8](repeating: 1, count: shape.pixels)
    var rowSums = [RowSums](repeating: RowSums(), count: rows)
    rowSums.withUnsafeMutableBufferPointer { rowSums in
      target.withUnsafeBufferPointer { target in
        boundary.withUnsafeBufferPointer { boundary in
          kept.withUnsafeBufferPointer { kept in
            guard let target = target.baseAddress, let boundary = boundary.baseAddress, let kept = kept.baseAddress
            else { return }
            workers.parallelFor(rows) { row, worker in
              let first = row * width
              let workspace = workspaces.start + worker * 2 * CrossEntropy.workspace(width: width)
              var sums = RowSums()
              crossEntropy(
                logits.start + first * shape.stride, shape, edge.start + first, target + first, kept + first, scale,
                workspace, gradient: gradients.map { $0.logits.start + first * shape.stride }, &sums)
              balancedBCE(
                edge.start + first, width, target + first, boundary + first, scale, workspace,
                gradient: gradients.map { $0.edge.start + first }, &sums)
              rowSums[row] = sums
            }
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
    let classWeights: [Double]
    /// The weight of a pixel's gradient, by label, then by whether the semantic and whether the task loss count it.
    private let weights: [Float]

    init(_ counts: PixelCounts, _ options: Options, _ classes: Int) {
      self.options = options
      let classWeights = options.classWeights ?? [Double](repeating: 1, count: classes)
      precondition(classWeights.count == classes, "as many weights as classes")
      self.classWeights = classWeights
      let valid = max(counts.valid, 1)
      // Without a pixel that counts, the sum is 0 whatever divides it.
      let semantic = counts.semanticWeight > 0 ? 1 / counts.semanticWeight : 1
      let task = counts.taskWeight > 0 ? 1 / counts.taskWeight : 1
      (self.semantic, self.task) = (semantic, task)
      weights = classWeights.flatMap { weight in
        [0, task, semantic, semantic + task].map { Float(weight * $0) }
      }
      onBoundary = counts.offBoundary / valid / valid
      offBoundary = counts.onBoundary / valid / valid
    }

    @inline(__always)
    func weight(_ label: UInt8, semantic: Bool, task: Bool) -> Float {
      weights[4 * Int(label) + (semantic ? 2 : 0) + (task ? 1 : 0)]
    }

    func terms(_ sums: RowSums) -> Terms {
      Terms(
        semantic: sums.semantic * semantic, edge: sums.onBoundary * onBoundary + sums.offBoundary * offBoundary,
        task: sums.task * task)
    }
  }

  // MARK: - Over a row

  /// Adds the cross entropies of a row. With z the logits, the gradient is k · (softmax(z) − one-hot(label)), where k
  /// is v / Σ v, with v the weight of the label, of the semantic loss, plus that of the task loss at predicted edges.
  ///
  /// - Parameter workspace: twice that of `CrossEntropy`.
  @inline(__always)
  private static func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, _ shape: Shape, _ edge: UnsafeMutablePointer<Float>,
    _ target: UnsafePointer<UInt8>, _ kept: UnsafePointer<UInt8>, _ scale: Scale,
    _ workspace: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?, _ sums: inout RowSums
  ) {
    let stride = shape.stride
    let (ignoreIndex, threshold) = (scale.options.ignoreIndex, scale.options.edgeThreshold)
    let totals = workspace
    let entropies = workspace + CrossEntropy.workspace(width: shape.width)
    CrossEntropy.ofRow(
      logits, shape, target, ignoreIndex: ignoreIndex, totals: totals, entropies: entropies, exponentials: gradient)

    for column in 0..<shape.width {
      let label = target[column]
      let output = gradient.map { $0 + column * stride }
      if label == ignoreIndex {
        if let output { scalePixel(0, output, stride, clearing: true) }
        continue
      }
      let (isKept, predictedEdge) = (kept[column] != 0, edge[column] > threshold)
      let entropy = scale.classWeights[Int(label)] * Double(entropies[column])
      if isKept { sums.semantic += entropy }
      if predictedEdge { sums.task += entropy }
      if let output {
        let weight = scale.weight(label, semantic: isKept, task: predictedEdge)
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
