import Kernels
import Tensors

/// A tensor in the forward pass, together with what the backward pass needs of it.
///
/// Only forward code holds activations. When the last one that refers to a tensor is released, the memory is freed,
/// unless an operation has saved the tensor for the backward pass.
package struct Activation {
  package let value: Tensor
  /// Accumulates the gradient of the loss with respect to `value`; nil if none is needed (evaluation, network
  /// input).
  package let gradient: GradientAccumulator?
  /// What an operation captures to read `value` in the backward pass.
  let saved: SavedTensor

  package var shape: Shape { value.shape }
  package var size: Size { value.shape.size }

  /// A network input, which needs no gradient.
  package init(_ value: Tensor) { self.init(value, gradient: nil, saved: SavedTensor(value)) }

  init(_ value: Tensor, gradient: GradientAccumulator?, saved: SavedTensor) {
    self.value = value
    self.gradient = gradient
    self.saved = saved
  }
}

/// Sums the gradient contributions of all operations that use an activation.
package final class GradientAccumulator {
  private var sum: Tensor?

  /// Adds a contribution. The accumulator takes ownership of the tensor and may overwrite it.
  package func add(_ contribution: Tensor, on workers: WorkerPool) {
    if let sum {
      Accumulation.addInPlace(sum, contribution, on: workers)
    } else {
      sum = contribution
    }
  }

  /// Removes and returns the accumulated gradient; nil if nothing was added.
  func take() -> Tensor? {
    defer { sum = nil }
    return sum
  }
}
