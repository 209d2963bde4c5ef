import Tensors

/// An activation's value as the backward pass will see it: kept since the forward pass, or made again from what is kept anyway.
///
/// A step that needs the value holds this from the forward pass on and lets go of it as soon as it has done with the value;
/// so does whatever makes another value from it. What nobody holds is not kept. A value that is made again is made for
/// the first who asks, stays until the last has let go, and then lets go itself of what it was made from.
package final class SavedTensor {
  private enum State {
    case here(Tensor)
    case recompute(() -> Tensor)
  }

  private var state: State

  /// The value itself is kept.
  package init(_ value: Tensor) { state = .here(value) }

  /// The value is made again.
  package init(recompute: @escaping () -> Tensor) { state = .recompute(recompute) }

  package var value: Tensor {
    switch state {
    case .here(let value): return value
    case .recompute(let recompute):
      let value = recompute()
      state = .here(value)
      return value
    }
  }

  /// The memory that this takes now.
  package var bytes: Int {
    switch state {
    case .here(let value): value.shape.count * MemoryLayout<Float>.stride
    case .recompute: 0
    }
  }
}
