import Tensors

/// A tensor saved for the backward pass: stored, or recomputed on demand (activation recomputation, also known as
/// activation checkpointing).
///
/// An operation captures the `SavedTensor` of each value that its backward closure reads, and releases it after use; so
/// does the recomputation of another tensor. A value that no operation captures is freed in the forward pass. A
/// recomputed value is computed on first use, shared by all users and freed with the last of them. Once it is computed,
/// it releases the tensors that it was computed from.
package final class SavedTensor {
  private enum State {
    case stored(Tensor)
    case recompute(() -> Tensor)
  }

  private var state: State

  /// Stores `value`.
  package init(_ value: Tensor) { state = .stored(value) }

  /// Recomputes the value on first use. The closure must return the same bits as the forward pass did.
  package init(recompute: @escaping () -> Tensor) { state = .recompute(recompute) }

  /// The tensor, recomputed if it is not stored.
  package var value: Tensor {
    switch state {
    case .stored(let value): return value
    case .recompute(let recompute):
      let value = recompute()
      state = .stored(value)
      return value
    }
  }

  /// Bytes stored at the moment; 0 before a recomputation.
  package var bytes: Int {
    switch state {
    case .stored(let value): value.bytes
    case .recompute: 0
    }
  }
}
