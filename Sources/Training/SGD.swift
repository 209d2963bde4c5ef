import Foundation
import Kernels
import Layers
import Tensors

/// The optimizer: stochastic gradient descent with momentum, weight decay on every parameter.
package final class SGD {
  package let momentum: Float
  package let weightDecay: Float
  /// The velocity of every parameter, at the parameter's offset in the store.
  package let velocities: FloatSlice
  private let store: ParameterStore

  package init(_ store: ParameterStore, momentum: Float = 0.9, weightDecay: Float = 1e-4) {
    self.store = store
    self.momentum = momentum
    self.weightDecay = weightDecay
    velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
  }

  /// Moves every parameter against its gradient.
  package func step(rate: Float, on workers: WorkerPool) {
    SGDKernel.step(
      store.values, gradients: store.gradients, velocities: velocities, learningRate: rate, momentum: momentum,
      weightDecay: weightDecay, on: workers)
  }
}

/// The learning rate over the epochs: start · (1 − epoch / epochs)^power, stepped once an epoch.
package struct PolynomialLRSchedule: Sendable, Equatable {
  package let start: Double
  package let epochs: Int
  package let power: Double

  package init(start: Double = 0.01, epochs: Int, power: Double = 1) {
    self.start = start
    self.epochs = epochs
    self.power = power
  }

  /// - Parameter epoch: counted from 0.
  package func rate(epoch: Int) -> Double { start * pow(1 - Double(epoch) / Double(epochs), power) }
}
