import CIntrinsics

/// Products of pairs of bfloat16 numbers, the first in the lower half of a lane: one instruction adds both to c.
enum BFloat16Arithmetic: GEMMArithmetic {
  @inline(__always)
  static func load(_ source: UnsafePointer<UInt32>) -> SIMD16<UInt32> {
    UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt32>.self)
  }

  @inline(__always)
  static func broadcast(_ lane: UInt32) -> SIMD16<UInt32> { SIMD16(repeating: lane) }

  @inline(__always)
  static func multiplyAdd(_ a: SIMD16<UInt32>, _ b: SIMD16<UInt32>, _ c: NativeVector) -> NativeVector {
    dot_product_bfloat16(c, a, b)
  }
}
