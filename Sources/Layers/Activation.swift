import Kernels
import Tensors

/// A value on its way through the network.
///
/// Forward code holds activations; the backward pass holds traces. When the last forward user of an activation is gone its
/// value goes back to the pool, unless a backward step said that it will need it.
package struct Activation {
  package let value: Tensor
  /// Where the gradient of this value is gathered; `nil` where none is asked for (evaluation, the picture itself).
  package let trace: Trace?

  package var shape: Shape { value.shape }
  package var size: Size { value.shape.size }

  /// An input: nobody asks for its gradient.
  package init(_ value: Tensor) {
    self.value = value
    trace = nil
  }

  init(_ value: Tensor, trace: Trace?) {
    self.value = value
    self.trace = trace
  }

  /// The value as the backward pass will see it: kept, or made again from less.
  var kept: () -> Tensor {
    if let remake = trace?.remake { return remake }
    return { [value] in value }
  }
}

/// What the backward pass knows of an activation: its gradient so far, and how to make the value again.
package final class Trace {
  /// Makes the value again from what is kept anyway; `nil` where the value itself must be kept.
  let remake: (() -> Tensor)?
  private var gradient: Tensor?

  init(remake: (() -> Tensor)? = nil) { self.remake = remake }

  /// Adds a part of the gradient. The tensor becomes the trace's own and may be overwritten.
  package func add(_ part: Tensor, on workers: WorkerPool) {
    if let gradient {
      Accumulation.add(part, to: gradient, on: workers)
    } else {
      gradient = part
    }
  }

  /// The gradient, all parts of it; the trace forgets it.
  func takeGradient() -> Tensor? {
    defer { gradient = nil }
    return gradient
  }
}
