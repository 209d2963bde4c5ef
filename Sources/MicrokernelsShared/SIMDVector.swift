import Microkernels

/// A vector of floats with the operations that depend on the instruction set. The `Backend.swift` of each target
/// declares which vectors conform, and `NativeVector`, the widest that its processors multiply in one instruction.
protocol SIMDVector: SIMD where Scalar == Float {
  /// The fused multiply-add `a · b + c`, in one rounding.
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self

  /// The numbers from an address on, as floats.
  static func load<E: Element>(_: E.Type, from source: UnsafeRawPointer) -> Self

  /// Writes the numbers, rounded to the type.
  func store<E: Element>(_: E.Type, to target: UnsafeMutableRawPointer)

  /// `max(x, 0)`. A requirement, because a comparison of vectors is one instruction only where their type is known.
  var relu: Self { get }

  /// The vector with zero in the lanes where `y` is zero or negative; a requirement for the same reason.
  func zeroed(whereNotPositive y: Self) -> Self

  /// A non-temporal store: writes to memory past the caches, which then need not read the line that is overwritten.
  /// That saves a third of the traffic of a result that does not fit in the caches. Lines of 64 bytes should be written
  /// whole, and `target` must be aligned to the vector.
  ///
  /// Other cores see such writes late; the atomic operations with which workers report the end of a task wait for them.
  func storeNonTemporal(to target: UnsafeMutablePointer<Float>)
}

extension SIMDVector {
  /// Writes to memory, with a non-temporal store if asked for and if the vector is a whole cache line.
  @inline(__always)
  func store(to target: UnsafeMutablePointer<Float>, nonTemporal: Bool) {
    if Self.scalarCount == 16 && nonTemporal { storeNonTemporal(to: target) } else { target.store(self) }
  }
}

extension SIMD8<Float> {
  // `pointwiseMax` takes sixteen times as long.
  @inline(__always)
  var relu: SIMD8<Float> { replacing(with: 0, where: self .< 0) }

  @inline(__always)
  func zeroed(whereNotPositive y: Self) -> Self { replacing(with: 0, where: y .<= 0) }

  @inline(__always)
  static func load<E: Element>(_: E.Type, from source: UnsafeRawPointer) -> Self { E.load8(source) }

  @inline(__always)
  func store<E: Element>(_: E.Type, to target: UnsafeMutableRawPointer) { E.store8(self, to: target) }
}

extension Elements {
  /// The numbers from `offset` on.
  @inline(__always)
  func load<V: SIMDVector>(_ offset: Int = 0) -> V { V.load(E.self, from: address + offset * E.precision.size) }

  /// Writes a vector from `offset` on.
  @inline(__always)
  func store<V: SIMDVector>(_ vector: V, _ offset: Int = 0) {
    vector.store(E.self, to: address + offset * E.precision.size)
  }

  /// Writes a vector from `offset` on, floats with a non-temporal store if asked for.
  @inline(__always)
  func store<V: SIMDVector>(_ vector: V, _ offset: Int, nonTemporal: Bool) {
    if case .float32 = E.precision {
      vector.store(to: address.assumingMemoryBound(to: Float.self) + offset, nonTemporal: nonTemporal)
    } else {
      store(vector, offset)
    }
  }
}

/// The fused multiply-add `a · b + c`, in one rounding.
@inline(__always)
func fma<V: SIMDVector>(_ a: V, _ b: V, _ c: V) -> V { V.fma(a, b, c) }

/// The same with one `a` for every lane.
@inline(__always)
func fma<V: SIMDVector>(_ a: Float, _ b: V, _ c: V) -> V { V.fma(V(repeating: a), b, c) }

/// Calls `native` or `eight` with the offset of each vector of `width` floats: native vectors, and vectors of eight for
/// the rest.
@inline(__always)
func forEachVector(in width: Int, native: (_ offset: Int) -> Void, eight: (_ offset: Int) -> Void) {
  var offset = 0
  while offset + NativeVector.scalarCount <= width {
    native(offset)
    offset += NativeVector.scalarCount
  }
  while offset < width {
    eight(offset)
    offset += 8
  }
}

extension Int {
  /// As in `System`, which microkernels do not import.
  @inline(__always)
  func roundedUp(toMultipleOf unit: Int) -> Int { (self + unit - 1) / unit * unit }
}
