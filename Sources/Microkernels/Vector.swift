/// Eight floats: one register of AVX2, two of SSE or NEON. The channels of a pixel are whole vectors of eight.
@usableFromInline package typealias Vector = SIMD8<Float>

extension UnsafePointer<Float> {
  /// The floats from `offset` on; need not be aligned.
  @inlinable @inline(__always)
  package func load<V: SIMD>(_ offset: Int = 0) -> V where V.Scalar == Float {
    UnsafeRawPointer(self + offset).loadUnaligned(as: V.self)
  }

  /// The eight floats from `offset` on; need not be aligned.
  @inlinable @inline(__always)
  package func vector(_ offset: Int = 0) -> Vector { load(offset) }
}

extension UnsafeMutablePointer<Float> {
  /// The floats from `offset` on; need not be aligned.
  @inlinable @inline(__always)
  package func load<V: SIMD>(_ offset: Int = 0) -> V where V.Scalar == Float {
    UnsafeRawPointer(self + offset).loadUnaligned(as: V.self)
  }

  /// The eight floats from `offset` on; need not be aligned.
  @inlinable @inline(__always)
  package func vector(_ offset: Int = 0) -> Vector { load(offset) }

  /// Writes a vector from `offset` on; need not be aligned.
  @inlinable @inline(__always)
  package func store<V: SIMD>(_ vector: V, _ offset: Int = 0) where V.Scalar == Float {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: V.self)
  }
}

extension SIMD8<Float> {
  /// The sum of the eight lanes, always added in the same order.
  @inlinable @inline(__always)
  package var horizontalSum: Float {
    let four = lowHalf + highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }
}
