import Tensors

/// The memory that a pass keeps for its backward pass, as the backward pass begins.
package struct ActivationMemory {
  /// The output of an operation.
  package struct Value {
    /// Of the operation's first parameter; nil where it has none.
    package let name: String?
    package let part: Profile.Part
    package let bytes: Int
  }

  /// In the order of the forward pass; those that are made again are left out.
  package var values: [Value] = []
  /// Bytes of all buffers when the pass began: parameters, gradients, momentum, the batch.
  package var before = 0
  /// Bytes of all buffers when the backward pass began; more than `before` and `values`, for the gradients of the loss are there already and
  /// some operations keep something else than an output.
  package var atBackwardStart = 0
}

extension Profile {
  /// The output of an operation, watched without being kept.
  struct Made {
    weak var kept: SavedTensor?
    let name: String?
    let part: Part
  }

  func willBeginForward() {
    made = []
    kept = ActivationMemory()
    kept.before = BufferPool.shared.liveBytes
  }

  func made(_ kept: SavedTensor, by part: Part, name: String?) { made.append(Made(kept: kept, name: name, part: part)) }

  func willBeginBackward() {
    kept.atBackwardStart = BufferPool.shared.liveBytes
    kept.values = made.compactMap { output in
      guard let bytes = output.kept?.bytes, bytes > 0 else { return nil }
      return ActivationMemory.Value(name: output.name, part: output.part, bytes: bytes)
    }
    made = []
  }
}
