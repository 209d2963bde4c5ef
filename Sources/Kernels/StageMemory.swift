import Tensors

extension Buffer {
  /// Memory for the stages of one operation, in few sizes, so that layers of different shapes take turns with the same
  /// blocks of the pool. What a layer does not touch of a block costs no memory.
  static func stage(count: Int) -> Buffer {
    // 1, 4, 16, … MiB, less what `Buffer` adds.
    var size = 1 << 18
    while size - 16 < count { size *= 4 }
    return Buffer(count: size - 16)
  }

  /// Floats that the transformed tiles of an operation may take together: 192 MiB.
  static let largestStage = 48 << 20
}
