import Kernels
import Layers
import Tensors

/// The optimizer: stochastic gradient descent with momentum, and weight decay on every parameter (`torch.optim.SGD`).
package final class SGD {
  package let momentum: Float
  package let weightDecay: Float
  /// The momentum buffer of every parameter, at the parameter's offset in the store.
  package let velocities: FloatSlice
  private let store: ParameterStore

  package init(_ store: ParameterStore, momentum: Float = 0.9, weightDecay: Float = 1e-4) {
    self.store = store
    self.momentum = momentum
    self.weightDecay = weightDecay
    velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
  }

  /// Updates every parameter from its gradient.
  ///
  /// - Returns: whether all parameters and velocities are finite after it.
  @discardableResult
  package func step(learningRate: Float, on workers: WorkerPool) -> Bool {
    SGDKernel.step(
      store.values, gradients: store.gradients, velocities: velocities, learningRate: learningRate, momentum: momentum,
      weightDecay: weightDecay, on: workers)
  }
}
