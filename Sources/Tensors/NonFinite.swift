import Synchronization

extension UnsafeRawBufferPointer {
  /// How many of these floats of 32 bits are infinite or not a number: their exponent bits are all ones.
  ///
  /// The bytes need not be aligned.
  package var nonFiniteFloats: Int {
    guard let start = baseAddress else { return 0 }
    let count = self.count / MemoryLayout<Float>.stride
    let exponent: UInt32 = 0x7F80_0000
    var total = 0
    for first in stride(from: 0, to: count, by: 1 << 16) {
      // Counted in the width of the numbers, so that the compiler vectorizes the loop.
      var found: UInt32 = 0
      for index in first..<Swift.min(count, first + 1 << 16) {
        let bits = start.loadUnaligned(fromByteOffset: index * MemoryLayout<Float>.stride, as: UInt32.self)
        found &+= bits & exponent == exponent ? 1 : 0
      }
      total += Int(found)
    }
    return total
  }
}

extension Tensor {
  /// Whether no value is infinite or not a number.
  package func isFinite(on workers: WorkerPool) -> Bool {
    precondition(precision == .float32)
    return FloatSlice(buffer, offset: 0, count: shape.count).isFinite(on: workers)
  }
}

extension FloatSlice {
  /// How many values are infinite or not a number.
  package var nonFiniteCount: Int {
    UnsafeRawBufferPointer(UnsafeBufferPointer(start: start, count: count)).nonFiniteFloats
  }

  /// Whether no value is infinite or not a number.
  package func isFinite(on workers: WorkerPool) -> Bool {
    let found = Atomic(false)
    workers.forEachChunk(of: count, grain: 1 << 16) { chunk, _ in
      let part = FloatSlice(buffer, offset: offset + chunk.lowerBound, count: chunk.count)
      if part.nonFiniteCount > 0 { found.store(true, ordering: .relaxed) }
    }
    return !found.load(ordering: .relaxed)
  }
}
