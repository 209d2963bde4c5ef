import Tensors

extension Buffer {
  /// FloatSlice that the transformed tiles of an operation may take together: 96 MiB.
  static let largestStage = 24 << 20
}
