import Microkernels

/// The microkernels for every processor of an architecture: SSE2 on x86-64, NEON on arm64. GEMM is OpenBLAS's.
package enum Backend: MicrokernelSet {
  package static let name = "plain"
}

typealias NativeVector = SIMD8<Float>

// Plain x86-64 has no fused multiply-add instruction, and `addingProduct` would call the C library for each lane. There
// it is computed in double precision, where the product is exact, and rounded to single: the same result except for rare
// double rounding. Apart from that and from GEMM, all instruction sets give the same bits.

extension SIMD8<Float>: SIMDVector {
  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
    #if arch(arm64)
      c.addingProduct(a, b)
    #else
      Self(SIMD8<Double>(a) * SIMD8<Double>(b) + SIMD8<Double>(c))
    #endif
  }

  /// An ordinary store; SSE2 and NEON have no non-temporal one of eight floats.
  @inline(__always)
  func storeNonTemporal(to target: UnsafeMutablePointer<Float>) { target.store(self) }
}

/// `SIMDVector.fma` of single numbers, rounded like the lanes of vectors.
@inline(__always)
func scalarFMA(_ a: Float, _ b: Float, _ c: Float) -> Float {
  #if arch(arm64)
    c.addingProduct(a, b)
  #else
    Float(Double(a) * Double(b) + Double(c))
  #endif
}
