/// What a GEMM microkernel multiplies. A lane of an operand belongs to one element of C.
protocol GEMMArithmetic {
  associatedtype Lane
  /// A vector of as many lanes as `NativeVector`.
  associatedtype Operand

  /// The lanes from `source` on; need not be aligned.
  static func load(_ source: UnsafePointer<Lane>) -> Operand

  /// The same lane for every element.
  static func broadcast(_ lane: Lane) -> Operand

  /// `a · b + c`.
  static func multiplyAdd(_ a: Operand, _ b: Operand, _ c: NativeVector) -> NativeVector
}

/// Products of floats: one fused multiply-add.
enum Float32Arithmetic: GEMMArithmetic {
  @inline(__always)
  static func load(_ source: UnsafePointer<Float>) -> NativeVector { source.load() }

  @inline(__always)
  static func broadcast(_ lane: Float) -> NativeVector { NativeVector(repeating: lane) }

  @inline(__always)
  static func multiplyAdd(_ a: NativeVector, _ b: NativeVector, _ c: NativeVector) -> NativeVector { fma(a, b, c) }
}
