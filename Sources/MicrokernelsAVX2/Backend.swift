import CIntrinsics
import Microkernels

/// The microkernels for x86-64-v3: AVX2 and FMA.
package enum Backend: MicrokernelSet {
  package static let name = "AVX2"
}

typealias NativeVector = SIMD8<Float>
typealias GEMMMicrokernel = GEMMMicrokernel6x16

extension SIMD8<Float>: SIMDVector {
  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self { c.addingProduct(a, b) }

  @inline(__always)
  func storeNonTemporal(to target: UnsafeMutablePointer<Float>) { store_nontemporal_8(target, self) }
}

/// `SIMDVector.fma` of single numbers.
@inline(__always)
func scalarFMA(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }
