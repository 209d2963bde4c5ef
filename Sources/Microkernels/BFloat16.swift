import CIntrinsics

/// A bfloat16 number: the upper half of a float, with its range and 8 bits of precision.
@usableFromInline package struct BFloat16: Sendable {
  @usableFromInline package let bitPattern: UInt16

  @inlinable @inline(__always)
  package init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// Rounds to nearest, ties to even; NaN stays NaN.
  @inlinable @inline(__always)
  package init(_ value: Float) {
    let bits = value.bitPattern
    let rounded = value != value ? bits | 0x40_0000 : bits &+ 0x7FFF &+ ((bits >> 16) & 1)
    bitPattern = UInt16(truncatingIfNeeded: rounded >> 16)
  }
}

extension Float {
  /// The same number.
  @inlinable @inline(__always)
  package init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}

/// How numbers lie in memory. Arithmetic is always in single precision.
@usableFromInline package enum Precision: String, Codable, CaseIterable, Sendable {
  case float32
  case bfloat16

  /// Bytes of a number.
  @inlinable @inline(__always)
  package var size: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    }
  }
}

/// A type of numbers in memory, read as floats and written rounded from floats.
@usableFromInline package protocol Element {
  static var precision: Precision { get }
  static func load8(_ source: UnsafeRawPointer) -> SIMD8<Float>
  static func load16(_ source: UnsafeRawPointer) -> SIMD16<Float>
  static func load1(_ source: UnsafeRawPointer) -> Float
  static func store8(_ value: SIMD8<Float>, to target: UnsafeMutableRawPointer)
  static func store16(_ value: SIMD16<Float>, to target: UnsafeMutableRawPointer)
  static func store1(_ value: Float, to target: UnsafeMutableRawPointer)
}

extension Float: Element {
  @inlinable @inline(__always)
  package static var precision: Precision { .float32 }

  @inlinable @inline(__always)
  package static func load8(_ source: UnsafeRawPointer) -> SIMD8<Float> {
    source.loadUnaligned(as: SIMD8<Float>.self)
  }

  @inlinable @inline(__always)
  package static func load16(_ source: UnsafeRawPointer) -> SIMD16<Float> {
    source.loadUnaligned(as: SIMD16<Float>.self)
  }

  @inlinable @inline(__always)
  package static func load1(_ source: UnsafeRawPointer) -> Float { source.loadUnaligned(as: Float.self) }

  @inlinable @inline(__always)
  package static func store8(_ value: SIMD8<Float>, to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: value, as: SIMD8<Float>.self)
  }

  @inlinable @inline(__always)
  package static func store16(_ value: SIMD16<Float>, to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: value, as: SIMD16<Float>.self)
  }

  @inlinable @inline(__always)
  package static func store1(_ value: Float, to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: value, as: Float.self)
  }
}

extension BFloat16: Element {
  @inlinable @inline(__always)
  package static var precision: Precision { .bfloat16 }

  @inlinable @inline(__always)
  package static func load8(_ source: UnsafeRawPointer) -> SIMD8<Float> { load_bfloat16_8(source) }

  @inlinable @inline(__always)
  package static func load16(_ source: UnsafeRawPointer) -> SIMD16<Float> { load_bfloat16_16(source) }

  @inlinable @inline(__always)
  package static func load1(_ source: UnsafeRawPointer) -> Float {
    Float(BFloat16(bitPattern: source.loadUnaligned(as: UInt16.self)))
  }

  @inlinable @inline(__always)
  package static func store8(_ value: SIMD8<Float>, to target: UnsafeMutableRawPointer) {
    store_bfloat16_8(target, value)
  }

  @inlinable @inline(__always)
  package static func store16(_ value: SIMD16<Float>, to target: UnsafeMutableRawPointer) {
    store_bfloat16_16(target, value)
  }

  @inlinable @inline(__always)
  package static func store1(_ value: Float, to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: BFloat16(value).bitPattern, as: UInt16.self)
  }
}
