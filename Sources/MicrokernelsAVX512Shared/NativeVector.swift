import CIntrinsics
import Microkernels

typealias NativeVector = SIMD16<Float>
typealias GEMMMicrokernel = GEMMMicrokernel12x32<Float32Arithmetic>

extension SIMD8<Float>: SIMDVector {
  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self { c.addingProduct(a, b) }

  @inline(__always)
  func storeNonTemporal(to target: UnsafeMutablePointer<Float>) { store_nontemporal_8(target, self) }
}

extension SIMD16<Float>: SIMDVector {
  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self { c.addingProduct(a, b) }

  @inline(__always)
  var relu: SIMD16<Float> { replacing(with: 0, where: self .< 0) }

  @inline(__always)
  func zeroed(whereNotPositive y: Self) -> Self { replacing(with: 0, where: y .<= 0) }

  @inline(__always)
  static func load<E: Element>(_: E.Type, from source: UnsafeRawPointer) -> Self { E.load16(source) }

  @inline(__always)
  func store<E: Element>(_: E.Type, to target: UnsafeMutableRawPointer) { E.store16(self, to: target) }

  @inline(__always)
  func storeNonTemporal(to target: UnsafeMutablePointer<Float>) { store_nontemporal_16(target, self) }
}

/// `SIMDVector.fma` of single numbers.
@inline(__always)
func scalarFMA(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }
