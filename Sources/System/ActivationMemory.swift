/// Bytes that a forward pass saved for its backward pass, as the backward pass began.
package struct ActivationMemory {
  /// The output of an operation.
  package struct Output {
    /// Name of the operation's first parameter; nil for an operation without parameters.
    package let name: String?
    package let part: Profile.Part
    package let bytes: Int

    package init(name: String?, part: Profile.Part, bytes: Int) {
      self.name = name
      self.part = part
      self.bytes = bytes
    }
  }

  /// The saved outputs, in the order of the forward pass; those that are recomputed are left out.
  package var outputs: [Output] = []
  /// Live bytes when the forward pass began: parameters, gradients, momentum, the batch.
  package var before = 0
  /// Live bytes when the backward pass began. Includes the gradients of the loss and what operations save besides
  /// their outputs.
  package var atBackwardStart = 0

  package init() {}
}
