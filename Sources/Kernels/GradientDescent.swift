import Tensors

/// Stochastic gradient descent with momentum and weight decay, in PyTorch's form:
/// g ← g + decay · w, v ← momentum · v + g, w ← w − rate · v.
package enum GradientDescent {
  private static let grain = 1 << 16

  /// One step over a whole arena. A velocity of zero makes the first step PyTorch's first, `v = g`.
  ///
  /// - Parameters:
  ///   - values: w, changed.
  ///   - gradients: g, left as it is.
  ///   - velocities: v, changed.
  package static func step(
    _ values: Floats, gradients: Floats, velocities: Floats, rate: Float, momentum: Float, decay: Float,
    on workers: WorkerPool
  ) {
    precondition(values.count == gradients.count && values.count == velocities.count)
    let (w, g, v, count) = (values.start, gradients.start, velocities.start, values.count)
    workers.run((count + grain - 1) / grain) { task, _ in
      var index = task * grain
      let end = min(count, index + grain)
      while index + 8 <= end {
        let weight = w.vector(index)
        let velocity = multiplyAdd(momentum, v.vector(index), multiplyAdd(decay, weight, g.vector(index)))
        v.store(velocity, index)
        w.store(multiplyAdd(-rate, velocity, weight), index)
        index += 8
      }
      while index < end {
        v[index] = (g[index].addingProduct(decay, w[index])).addingProduct(momentum, v[index])
        w[index] = w[index].addingProduct(-rate, v[index])
        index += 1
      }
    }
  }
}
