import Microkernels

/// The GEMM microkernel of AVX2: a tile of C of 6 rows × 16 columns stays in registers while the depth is summed.
///
/// 6 × 2 accumulators of eight floats, two vectors of B and one of A take 15 of 16 registers.
///
/// How it is unrolled: accumulator `c3b` is row 3, second vector. Pointers to every third row of A (`a0`, `a1`, …) keep
/// addresses within `pointer + {0, 1, 2} · stride`, which x86 can encode.
///
/// Each element is one chain of fused multiply-adds in the order of the depth that begins at zero; the previous value
/// of C is added once at the end. So the rounding of an element does not depend on the tile that contains it.
enum GEMMMicrokernel6x16 {
  static let rows = 6
  /// Columns of A in a tile of the transposed product.
  static let leftColumns = 4

  /// `C[rows, two vectors] = A[rows, depth] · B[depth, two vectors] (+ C)`
  @inline(__always)
  static func multiplyTwo(
    _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c0a = NativeVector(), c0b = NativeVector(), c1a = NativeVector(), c1b = NativeVector(), c2a = NativeVector(),
      c2b = NativeVector()
    var c3a = NativeVector(), c3b = NativeVector(), c4a = NativeVector(), c4b = NativeVector(), c5a = NativeVector(),
      c5b = NativeVector()
    var b = panel
    var a0 = a
    var a1 = a + 3 * aStride
    for _ in 0..<depth {
      let b0: NativeVector = b.load()
      let b1: NativeVector = b.load(NativeVector.scalarCount)
      b += 2 * NativeVector.scalarCount
      var x = NativeVector(repeating: a0[0])
      c0a = fma(x, b0, c0a)
      c0b = fma(x, b1, c0b)
      x = NativeVector(repeating: a0[aStride])
      c1a = fma(x, b0, c1a)
      c1b = fma(x, b1, c1b)
      x = NativeVector(repeating: a0[2 * aStride])
      c2a = fma(x, b0, c2a)
      c2b = fma(x, b1, c2b)
      x = NativeVector(repeating: a1[0])
      c3a = fma(x, b0, c3a)
      c3b = fma(x, b1, c3b)
      x = NativeVector(repeating: a1[aStride])
      c4a = fma(x, b0, c4a)
      c4b = fma(x, b1, c4b)
      x = NativeVector(repeating: a1[2 * aStride])
      c5a = fma(x, b0, c5a)
      c5b = fma(x, b1, c5b)
      a0 += 1
      a1 += 1
    }
    store(c0a, c0b, c, accumulate)
    store(c1a, c1b, c + cStride, accumulate)
    store(c2a, c2b, c + 2 * cStride, accumulate)
    store(c3a, c3b, c + 3 * cStride, accumulate)
    store(c4a, c4b, c + 4 * cStride, accumulate)
    store(c5a, c5b, c + 5 * cStride, accumulate)
  }

  /// `C[rows, one vector] = A[rows, depth] · B[depth, one vector] (+ C)`
  @inline(__always)
  static func multiplyOne(
    _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c0a = NativeVector(), c1a = NativeVector(), c2a = NativeVector()
    var c3a = NativeVector(), c4a = NativeVector(), c5a = NativeVector()
    var b = panel
    var a0 = a
    var a1 = a + 3 * aStride
    for _ in 0..<depth {
      let b0: NativeVector = b.load()
      b += NativeVector.scalarCount
      var x = NativeVector(repeating: a0[0])
      c0a = fma(x, b0, c0a)
      x = NativeVector(repeating: a0[aStride])
      c1a = fma(x, b0, c1a)
      x = NativeVector(repeating: a0[2 * aStride])
      c2a = fma(x, b0, c2a)
      x = NativeVector(repeating: a1[0])
      c3a = fma(x, b0, c3a)
      x = NativeVector(repeating: a1[aStride])
      c4a = fma(x, b0, c4a)
      x = NativeVector(repeating: a1[2 * aStride])
      c5a = fma(x, b0, c5a)
      a0 += 1
      a1 += 1
    }
    store(c0a, c, accumulate)
    store(c1a, c + cStride, accumulate)
    store(c2a, c + 2 * cStride, accumulate)
    store(c3a, c + 3 * cStride, accumulate)
    store(c4a, c + 4 * cStride, accumulate)
    store(c5a, c + 5 * cStride, accumulate)
  }

  /// `C[leftColumns, two vectors] += Aᵀ · B` over `depth` rows; the rows of A are `leftPanelWidth` floats apart.
  @inline(__always)
  static func multiplyTransposedTwo(
    _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
    _ cStride: Int
  ) {
    var c0a = NativeVector(), c0b = NativeVector(), c1a = NativeVector(), c1b = NativeVector()
    var c2a = NativeVector(), c2b = NativeVector(), c3a = NativeVector(), c3b = NativeVector()
    var a = a
    var b = b
    for _ in 0..<depth {
      let b0: NativeVector = b.load()
      let b1: NativeVector = b.load(NativeVector.scalarCount)
      b += 2 * NativeVector.scalarCount
      var x = NativeVector(repeating: a[0])
      c0a = fma(x, b0, c0a)
      c0b = fma(x, b1, c0b)
      x = NativeVector(repeating: a[1])
      c1a = fma(x, b0, c1a)
      c1b = fma(x, b1, c1b)
      x = NativeVector(repeating: a[2])
      c2a = fma(x, b0, c2a)
      c2b = fma(x, b1, c2b)
      x = NativeVector(repeating: a[3])
      c3a = fma(x, b0, c3a)
      c3b = fma(x, b1, c3b)
      a += Backend.leftPanelWidth
    }
    store(c0a, c0b, c, true)
    store(c1a, c1b, c + cStride, true)
    store(c2a, c2b, c + 2 * cStride, true)
    store(c3a, c3b, c + 3 * cStride, true)
  }

  /// `C[leftColumns, one vector] += Aᵀ · B` over `depth` rows; the rows of A are `leftPanelWidth` floats apart.
  @inline(__always)
  static func multiplyTransposedOne(
    _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
    _ cStride: Int
  ) {
    var c0 = NativeVector(), c1 = NativeVector(), c2 = NativeVector(), c3 = NativeVector()
    var a = a
    var b = b
    for _ in 0..<depth {
      let b0: NativeVector = b.load()
      b += NativeVector.scalarCount
      c0 = fma(NativeVector(repeating: a[0]), b0, c0)
      c1 = fma(NativeVector(repeating: a[1]), b0, c1)
      c2 = fma(NativeVector(repeating: a[2]), b0, c2)
      c3 = fma(NativeVector(repeating: a[3]), b0, c3)
      a += Backend.leftPanelWidth
    }
    store(c0, c, true)
    store(c1, c + cStride, true)
    store(c2, c + 2 * cStride, true)
    store(c3, c + 3 * cStride, true)
  }

  @inline(__always)
  private static func store(_ x: NativeVector, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
    c.store(accumulate ? x + c.load() : x)
  }

  @inline(__always)
  private static func store(_ x: NativeVector, _ y: NativeVector, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool)
  {
    c.store(accumulate ? x + c.load() : x)
    c.store(accumulate ? y + c.load(NativeVector.scalarCount) : y, NativeVector.scalarCount)
  }
}
