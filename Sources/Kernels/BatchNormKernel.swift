import Tensors

/// Batch norm with what follows it in the network, the sum with a shortcut and ReLU:
///
///     y = max(0, z · scale + shift + residual)
///
/// Statistics go out as sums in double precision, so that ranks can add theirs between the two halves of each
/// direction. The backward pass is in `BatchNormGradient.swift`.
package enum BatchNormKernel {
  /// Floats of a task: a few tasks fit the caches, and each is worth its start.
  private static let block = 32_768

  /// Each channel's sum of values, then each channel's sum of squares, `[2C]`, over the images of this rank.
  ///
  /// - Parameter z: `[N, H, W, C]`
  package static func sums(_ z: Tensor, on workers: WorkerPool) -> [Double] {
    let width = ChannelSums.width(z.shape)
    return PairwiseSum.total(
      ChannelSums.perImage(z.shape, quantities: 2, workspace: 4 * width, on: workers) { run, sums, workspace in
        // Deviations from the first pixel are summed, not the values: where the mean is far from zero, the squares of
        // the values would leave no digits for the variance.
        let pivot = workspace
        let sum = workspace + width
        let squares = sum + width
        let rest = squares + width
        let values = run.start(in: z)
        for c in stride(from: 0, to: width, by: 8) {
          pivot.store(z.shape.channels == 1 ? Vector(repeating: values[0]) : values.vector(c), c)
          sum.store(Vector(), c)
          squares.store(Vector(), c)
        }
        microkernels.addDeviations(values, rows: run.rows, width: width, from: pivot, to: sum, squares)
        if run.rest > 0 {
          run.copyRest(of: z, filler: pivot[0], to: rest)
          microkernels.addDeviations(rest, rows: 1, width: width, from: pivot, to: sum, squares)
        }
        let fullRows = Double(run.rows)
        for c in 0..<width {
          // Σ z = Σ d + n p and Σ z² = Σ d² + 2 p Σ d + n p², for deviations d from the pivot p.
          let n = fullRows + (c < run.rest ? 1 : 0)
          let p = Double(pivot[c])
          let d = Double(sum[c])
          sums[c] += d + n * p
          sums[width + c] += Double(squares[c]) + (2 * d + n * p) * p
        }
      })
  }

  /// `z · scale + shift`, plus `residual`, and no less than zero where `relu` says so.
  ///
  /// - Parameters:
  ///   - z: `[N, H, W, C]`
  ///   - residual: the shortcut, of the same shape.
  ///   - inPlace: whether the result takes the memory of `z`, which nobody may read as `z` afterwards.
  package static func apply(
    _ normalizer: Normalizer, to z: Tensor, plus residual: Tensor? = nil, relu: Bool, inPlace: Bool = false,
    on workers: WorkerPool
  ) -> Tensor {
    precondition(normalizer.channels == z.shape.channels && residual.map { $0.shape == z.shape } ?? true)
    let y = inPlace ? z : Tensor(z.shape)
    let nonTemporal = !inPlace && y.usesNonTemporalStores
    forEachBlock(of: z.shape, on: workers) { first, rows, width in
      microkernels.normalize(
        z.start + first, rows: rows, width: width, scale: normalizer.scale.start, shift: normalizer.shift.start,
        residual: residual.map { UnsafePointer($0.start + first) }, relu: relu, into: y.start + first,
        nonTemporal: nonTemporal)
    }
    return y
  }

  /// Cuts a batch into tasks of whole rows for elementwise work; a plane of one channel counts as rows of eight
  /// pixels, the last of which may overhang.
  static func forEachBlock(
    of shape: Shape, on workers: WorkerPool, _ body: (_ firstFloat: Int, _ rows: Int, _ width: Int) -> Void
  ) {
    let width = ChannelSums.width(shape)
    let rows = (shape.count + width - 1) / width
    let blockRows = max(1, block / width)
    workers.parallelFor((rows + blockRows - 1) / blockRows) { task, _ in
      body(task * blockRows * width, min(blockRows, rows - task * blockRows), width)
    }
  }
}
