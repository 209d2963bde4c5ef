import Synchronization
import Tensors

/// The update of stochastic gradient descent with momentum and weight decay, in PyTorch's form:
/// g ← g + weightDecay · w, v ← momentum · v + g, w ← w − learningRate · v.
package enum SGDKernel {
  /// One step over flat parameters. Velocities of zero make the first step PyTorch's first, `v = g`.
  ///
  /// - Parameters:
  ///   - values: w, updated.
  ///   - gradients: g, not changed.
  ///   - velocities: v, updated.
  /// - Returns: whether all new values are finite, and with them all new velocities.
  package static func step(
    _ values: FloatSlice, gradients: FloatSlice, velocities: FloatSlice, learningRate: Float, momentum: Float,
    weightDecay: Float, on workers: WorkerPool
  ) -> Bool {
    precondition(values.count == gradients.count && values.count == velocities.count)
    let microkernels = workers.microkernels
    let (w, g, v) = (values.start, gradients.start, velocities.start)
    let diverged = Atomic(false)
    workers.forEachChunk(of: values.count, grain: 1 << 16) { chunk, _ in
      let first = chunk.lowerBound
      let isFinite = microkernels.sgdStep(
        w + first, g + first, v + first, count: chunk.count, learningRate: learningRate, momentum: momentum,
        weightDecay: weightDecay)
      if !isFinite { diverged.store(true, ordering: .relaxed) }
    }
    return !diverged.load(ordering: .relaxed)
  }
}
