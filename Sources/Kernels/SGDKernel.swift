import Synchronization
import Tensors

/// The update of stochastic gradient descent with momentum and weight decay, in PyTorch's form:
/// g ← gradientScale · g + weightDecay · w, v ← momentum · v + g, w ← w − learningRate · v.
package enum SGDKernel {
  /// Neighboring parameters that are updated alike.
  package struct Part: Sendable, Equatable {
    /// In the flat arrays, in floats.
    package let floats: Range<Int>
    package let gradientScale: Float
    package let learningRate: Float
    package let weightDecay: Float

    package init(floats: Range<Int>, gradientScale: Float = 1, learningRate: Float, weightDecay: Float) {
      self.floats = floats
      self.gradientScale = gradientScale
      self.learningRate = learningRate
      self.weightDecay = weightDecay
    }
  }

  /// One step over flat parameters. Velocities of zero make the first step PyTorch's first, `v = g`.
  ///
  /// - Parameters:
  ///   - values: w, updated.
  ///   - gradients: g, not changed.
  ///   - velocities: v, updated.
  ///   - parts: do not overlap.
  /// - Returns: whether all new values are finite, and with them all new velocities.
  package static func step(
    _ values: FloatSlice, gradients: FloatSlice, velocities: FloatSlice, momentum: Float, parts: [Part],
    on workers: WorkerPool
  ) -> Bool {
    precondition(values.count == gradients.count && values.count == velocities.count)
    precondition(parts.allSatisfy { $0.floats.lowerBound >= 0 && $0.floats.upperBound <= values.count })
    let microkernels = workers.microkernels
    let (w, g, v) = (values.start, gradients.start, velocities.start)
    let diverged = Atomic(false)
    let chunks = FlatChunks(parts.map(\.floats))
    workers.parallelFor(chunks.count) { index, _ in
      let (part, floats) = (parts[chunks[index].range], chunks[index].floats)
      let first = floats.lowerBound
      let isFinite = microkernels.sgdStep(
        w + first, g + first, v + first, count: floats.count, gradientScale: part.gradientScale,
        learningRate: part.learningRate, momentum: momentum, weightDecay: part.weightDecay)
      if !isFinite { diverged.store(true, ordering: .relaxed) }
    }
    return !diverged.load(ordering: .relaxed)
  }
}
