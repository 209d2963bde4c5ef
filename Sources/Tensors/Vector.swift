/// Eight single-precision numbers: one register of AVX2, two of SSE or NEON.
@usableFromInline package typealias Vector = SIMD8<Float>

extension UnsafePointer<Float> {
  /// The eight floats from `offset` on; no alignment is asked for.
  @inlinable @inline(__always)
  package func vector(_ offset: Int = 0) -> Vector {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self)
  }
}

extension UnsafeMutablePointer<Float> {
  /// The eight floats from `offset` on; no alignment is asked for.
  @inlinable @inline(__always)
  package func vector(_ offset: Int = 0) -> Vector {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self)
  }

  /// Writes eight floats from `offset` on; no alignment is asked for.
  @inlinable @inline(__always)
  package func store(_ vector: Vector, _ offset: Int = 0) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: Vector.self)
  }
}

/// `a · b + c`, in one rounding where every processor can do that.
@inlinable @inline(__always)
package func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if arch(arm64)
    c.addingProduct(a, b)
  #else
    a * b + c
  #endif
}

/// `a · b + c`, `a` the same in every lane.
@inlinable @inline(__always)
package func multiplyAdd(_ a: Float, _ b: Vector, _ c: Vector) -> Vector {
  multiplyAdd(Vector(repeating: a), b, c)
}
