import Tensors

/// Stochastic gradient descent with momentum and weight decay, in PyTorch's form:
/// g ← g + decay · w, v ← momentum · v + g, w ← w − rate · v.
package enum SGDKernel {
  private static let grain = 1 << 16

  /// One step over a whole arena. A velocity of zero makes the first step PyTorch's first, `v = g`.
  ///
  /// - Parameters:
  ///   - values: w, changed.
  ///   - gradients: g, left as it is.
  ///   - velocities: v, changed.
  package static func step(
    _ values: FloatSlice, gradients: FloatSlice, velocities: FloatSlice, rate: Float, momentum: Float, decay: Float,
    on workers: WorkerPool
  ) {
    precondition(values.count == gradients.count && values.count == velocities.count)
    let (w, g, v, count) = (values.start, gradients.start, velocities.start, values.count)
    workers.parallelFor((count + grain - 1) / grain) { task, _ in
      let first = task * grain
      microkernels.sgdStep(
        w + first, g + first, v + first, count: min(grain, count - first), rate: rate, momentum: momentum, decay: decay)
    }
  }
}
