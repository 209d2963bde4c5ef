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

/// `a · b + c` in one rounding. Written out, `c + a * b` would be rounded twice and take two instructions.
@inlinable @inline(__always)
package func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector { c.addingProduct(a, b) }

/// `a · b + c` in one rounding, `a` the same in every lane.
@inlinable @inline(__always)
package func multiplyAdd(_ a: Float, _ b: Vector, _ c: Vector) -> Vector {
  c.addingProduct(Vector(repeating: a), b)
}

/// `max(x, 0)`, in one instruction (`pointwiseMax` takes sixteen times as long).
@inlinable @inline(__always)
package func rectified(_ x: Vector) -> Vector { x.replacing(with: 0, where: x .< 0) }
