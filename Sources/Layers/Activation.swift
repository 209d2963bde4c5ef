import Kernels
import Tensors

/// A value on its way through the network.
///
/// Forward code holds activations; the backward pass holds traces. When the last forward user of an activation is gone its
/// value goes back to the pool, unless a backward step said that it will need it.
package struct Activation {
  package let value: Tensor
  /// Where the gradient of this value is gathered; `nil` where none is asked for (evaluation, the image itself).
  package let trace: GradientAccumulator?
  /// What a backward step that needs the value holds.
  let kept: SavedTensor

  package var shape: Shape { value.shape }
  package var size: Size { value.shape.size }

  /// An input: nobody asks for its gradient.
  package init(_ value: Tensor) { self.init(value, trace: nil, kept: SavedTensor(value)) }

  init(_ value: Tensor, trace: GradientAccumulator?, kept: SavedTensor) {
    self.value = value
    self.trace = trace
    self.kept = kept
  }
}

/// Where the gradient of an activation is gathered.
package final class GradientAccumulator {
  private var gradient: Tensor?

  /// Adds a part of the gradient. The tensor becomes the trace's own and may be overwritten.
  package func add(_ part: Tensor, on workers: WorkerPool) {
    if let gradient {
      Accumulation.addInPlace(gradient, part, on: workers)
    } else {
      gradient = part
    }
  }

  /// The gradient, all parts of it; the trace forgets it.
  func take() -> Tensor? {
    defer { gradient = nil }
    return gradient
  }
}
