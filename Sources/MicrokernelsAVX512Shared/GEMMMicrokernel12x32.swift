import Microkernels

/// The GEMM microkernel of AVX-512: a tile of C of 12 rows × 32 columns stays in registers while the depth is summed.
///
/// 12 × 2 accumulators of sixteen floats, two vectors of B and one of A take 27 of 32 registers.
///
/// How it is unrolled: accumulator `c3b` is row 3, second vector. Pointers to every third row of A (`a0`, `a1`, …) keep
/// addresses within `pointer + {0, 1, 2} · stride`, which x86 can encode.
///
/// Each element is one chain of fused multiply-adds in the order of the depth that begins at zero; the previous value
/// of C is added once at the end. So the rounding of an element does not depend on the tile that contains it.
///
/// A lane of A or B is a float, or a pair of bfloat16 numbers from two steps of the depth; `depth` counts lanes.
enum GEMMMicrokernel12x32<Arithmetic: GEMMArithmetic> {
  typealias Lane = Arithmetic.Lane

  static var rows: Int { 12 }
  /// Columns of A in a tile of the transposed product.
  static var leftColumns: Int { 8 }

  /// `C[rows, two vectors] = A[rows, depth] · B[depth, two vectors] (+ C)`
  @inline(__always)
  static func multiplyTwo(
    _ depth: Int, _ a: UnsafePointer<Lane>, _ aStride: Int, _ panel: UnsafePointer<Lane>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c0a = NativeVector(), c0b = NativeVector(), c1a = NativeVector(), c1b = NativeVector(), c2a = NativeVector(),
      c2b = NativeVector()
    var c3a = NativeVector(), c3b = NativeVector(), c4a = NativeVector(), c4b = NativeVector(), c5a = NativeVector(),
      c5b = NativeVector()
    var c6a = NativeVector(), c6b = NativeVector(), c7a = NativeVector(), c7b = NativeVector(), c8a = NativeVector(),
      c8b = NativeVector()
    var c9a = NativeVector(), c9b = NativeVector(), c10a = NativeVector(), c10b = NativeVector(), c11a = NativeVector(),
      c11b = NativeVector()
    var b = panel
    var a0 = a
    var a1 = a + 3 * aStride
    var a2 = a + 6 * aStride
    var a3 = a + 9 * aStride
    for _ in 0..<depth {
      let b0 = Arithmetic.load(b)
      let b1 = Arithmetic.load(b + NativeVector.scalarCount)
      b += 2 * NativeVector.scalarCount
      var x = Arithmetic.broadcast(a0[0])
      c0a = Arithmetic.multiplyAdd(x, b0, c0a)
      c0b = Arithmetic.multiplyAdd(x, b1, c0b)
      x = Arithmetic.broadcast(a0[aStride])
      c1a = Arithmetic.multiplyAdd(x, b0, c1a)
      c1b = Arithmetic.multiplyAdd(x, b1, c1b)
      x = Arithmetic.broadcast(a0[2 * aStride])
      c2a = Arithmetic.multiplyAdd(x, b0, c2a)
      c2b = Arithmetic.multiplyAdd(x, b1, c2b)
      x = Arithmetic.broadcast(a1[0])
      c3a = Arithmetic.multiplyAdd(x, b0, c3a)
      c3b = Arithmetic.multiplyAdd(x, b1, c3b)
      x = Arithmetic.broadcast(a1[aStride])
      c4a = Arithmetic.multiplyAdd(x, b0, c4a)
      c4b = Arithmetic.multiplyAdd(x, b1, c4b)
      x = Arithmetic.broadcast(a1[2 * aStride])
      c5a = Arithmetic.multiplyAdd(x, b0, c5a)
      c5b = Arithmetic.multiplyAdd(x, b1, c5b)
      x = Arithmetic.broadcast(a2[0])
      c6a = Arithmetic.multiplyAdd(x, b0, c6a)
      c6b = Arithmetic.multiplyAdd(x, b1, c6b)
      x = Arithmetic.broadcast(a2[aStride])
      c7a = Arithmetic.multiplyAdd(x, b0, c7a)
      c7b = Arithmetic.multiplyAdd(x, b1, c7b)
      x = Arithmetic.broadcast(a2[2 * aStride])
      c8a = Arithmetic.multiplyAdd(x, b0, c8a)
      c8b = Arithmetic.multiplyAdd(x, b1, c8b)
      x = Arithmetic.broadcast(a3[0])
      c9a = Arithmetic.multiplyAdd(x, b0, c9a)
      c9b = Arithmetic.multiplyAdd(x, b1, c9b)
      x = Arithmetic.broadcast(a3[aStride])
      c10a = Arithmetic.multiplyAdd(x, b0, c10a)
      c10b = Arithmetic.multiplyAdd(x, b1, c10b)
      x = Arithmetic.broadcast(a3[2 * aStride])
      c11a = Arithmetic.multiplyAdd(x, b0, c11a)
      c11b = Arithmetic.multiplyAdd(x, b1, c11b)
      a0 += 1
      a1 += 1
      a2 += 1
      a3 += 1
    }
    store(c0a, c0b, c, accumulate)
    store(c1a, c1b, c + cStride, accumulate)
    store(c2a, c2b, c + 2 * cStride, accumulate)
    store(c3a, c3b, c + 3 * cStride, accumulate)
    store(c4a, c4b, c + 4 * cStride, accumulate)
    store(c5a, c5b, c + 5 * cStride, accumulate)
    store(c6a, c6b, c + 6 * cStride, accumulate)
    store(c7a, c7b, c + 7 * cStride, accumulate)
    store(c8a, c8b, c + 8 * cStride, accumulate)
    store(c9a, c9b, c + 9 * cStride, accumulate)
    store(c10a, c10b, c + 10 * cStride, accumulate)
    store(c11a, c11b, c + 11 * cStride, accumulate)
  }

  /// `C[rows, one vector] = A[rows, depth] · B[depth, one vector] (+ C)`
  @inline(__always)
  static func multiplyOne(
    _ depth: Int, _ a: UnsafePointer<Lane>, _ aStride: Int, _ panel: UnsafePointer<Lane>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c0a = NativeVector(), c1a = NativeVector(), c2a = NativeVector()
    var c3a = NativeVector(), c4a = NativeVector(), c5a = NativeVector()
    var c6a = NativeVector(), c7a = NativeVector(), c8a = NativeVector()
    var c9a = NativeVector(), c10a = NativeVector(), c11a = NativeVector()
    var b = panel
    var a0 = a
    var a1 = a + 3 * aStride
    var a2 = a + 6 * aStride
    var a3 = a + 9 * aStride
    for _ in 0..<depth {
      let b0 = Arithmetic.load(b)
      b += NativeVector.scalarCount
      var x = Arithmetic.broadcast(a0[0])
      c0a = Arithmetic.multiplyAdd(x, b0, c0a)
      x = Arithmetic.broadcast(a0[aStride])
      c1a = Arithmetic.multiplyAdd(x, b0, c1a)
      x = Arithmetic.broadcast(a0[2 * aStride])
      c2a = Arithmetic.multiplyAdd(x, b0, c2a)
      x = Arithmetic.broadcast(a1[0])
      c3a = Arithmetic.multiplyAdd(x, b0, c3a)
      x = Arithmetic.broadcast(a1[aStride])
      c4a = Arithmetic.multiplyAdd(x, b0, c4a)
      x = Arithmetic.broadcast(a1[2 * aStride])
      c5a = Arithmetic.multiplyAdd(x, b0, c5a)
      x = Arithmetic.broadcast(a2[0])
      c6a = Arithmetic.multiplyAdd(x, b0, c6a)
      x = Arithmetic.broadcast(a2[aStride])
      c7a = Arithmetic.multiplyAdd(x, b0, c7a)
      x = Arithmetic.broadcast(a2[2 * aStride])
      c8a = Arithmetic.multiplyAdd(x, b0, c8a)
      x = Arithmetic.broadcast(a3[0])
      c9a = Arithmetic.multiplyAdd(x, b0, c9a)
      x = Arithmetic.broadcast(a3[aStride])
      c10a = Arithmetic.multiplyAdd(x, b0, c10a)
      x = Arithmetic.broadcast(a3[2 * aStride])
      c11a = Arithmetic.multiplyAdd(x, b0, c11a)
      a0 += 1
      a1 += 1
      a2 += 1
      a3 += 1
    }
    store(c0a, c, accumulate)
    store(c1a, c + cStride, accumulate)
    store(c2a, c + 2 * cStride, accumulate)
    store(c3a, c + 3 * cStride, accumulate)
    store(c4a, c + 4 * cStride, accumulate)
    store(c5a, c + 5 * cStride, accumulate)
    store(c6a, c + 6 * cStride, accumulate)
    store(c7a, c + 7 * cStride, accumulate)
    store(c8a, c + 8 * cStride, accumulate)
    store(c9a, c + 9 * cStride, accumulate)
    store(c10a, c + 10 * cStride, accumulate)
    store(c11a, c + 11 * cStride, accumulate)
  }

  /// `C[leftColumns, two vectors] += Aᵀ · B` over `depth` rows; the rows of A are `leftPanelWidth` lanes apart.
  @inline(__always)
  static func multiplyTransposedTwo(
    _ depth: Int, _ a: UnsafePointer<Lane>, _ b: UnsafePointer<Lane>, _ c: UnsafeMutablePointer<Float>,
    _ cStride: Int
  ) {
    var c0a = NativeVector(), c0b = NativeVector(), c1a = NativeVector(), c1b = NativeVector()
    var c2a = NativeVector(), c2b = NativeVector(), c3a = NativeVector(), c3b = NativeVector()
    var c4a = NativeVector(), c4b = NativeVector(), c5a = NativeVector(), c5b = NativeVector()
    var c6a = NativeVector(), c6b = NativeVector(), c7a = NativeVector(), c7b = NativeVector()
    var a = a
    var b = b
    for _ in 0..<depth {
      let b0 = Arithmetic.load(b)
      let b1 = Arithmetic.load(b + NativeVector.scalarCount)
      b += 2 * NativeVector.scalarCount
      var x = Arithmetic.broadcast(a[0])
      c0a = Arithmetic.multiplyAdd(x, b0, c0a)
      c0b = Arithmetic.multiplyAdd(x, b1, c0b)
      x = Arithmetic.broadcast(a[1])
      c1a = Arithmetic.multiplyAdd(x, b0, c1a)
      c1b = Arithmetic.multiplyAdd(x, b1, c1b)
      x = Arithmetic.broadcast(a[2])
      c2a = Arithmetic.multiplyAdd(x, b0, c2a)
      c2b = Arithmetic.multiplyAdd(x, b1, c2b)
      x = Arithmetic.broadcast(a[3])
      c3a = Arithmetic.multiplyAdd(x, b0, c3a)
      c3b = Arithmetic.multiplyAdd(x, b1, c3b)
      x = Arithmetic.broadcast(a[4])
      c4a = Arithmetic.multiplyAdd(x, b0, c4a)
      c4b = Arithmetic.multiplyAdd(x, b1, c4b)
      x = Arithmetic.broadcast(a[5])
      c5a = Arithmetic.multiplyAdd(x, b0, c5a)
      c5b = Arithmetic.multiplyAdd(x, b1, c5b)
      x = Arithmetic.broadcast(a[6])
      c6a = Arithmetic.multiplyAdd(x, b0, c6a)
      c6b = Arithmetic.multiplyAdd(x, b1, c6b)
      x = Arithmetic.broadcast(a[7])
      c7a = Arithmetic.multiplyAdd(x, b0, c7a)
      c7b = Arithmetic.multiplyAdd(x, b1, c7b)
      a += Backend.leftPanelWidth
    }
    store(c0a, c0b, c, true)
    store(c1a, c1b, c + cStride, true)
    store(c2a, c2b, c + 2 * cStride, true)
    store(c3a, c3b, c + 3 * cStride, true)
    store(c4a, c4b, c + 4 * cStride, true)
    store(c5a, c5b, c + 5 * cStride, true)
    store(c6a, c6b, c + 6 * cStride, true)
    store(c7a, c7b, c + 7 * cStride, true)
  }

  /// `C[leftColumns, one vector] += Aᵀ · B` over `depth` rows; the rows of A are `leftPanelWidth` lanes apart.
  @inline(__always)
  static func multiplyTransposedOne(
    _ depth: Int, _ a: UnsafePointer<Lane>, _ b: UnsafePointer<Lane>, _ c: UnsafeMutablePointer<Float>,
    _ cStride: Int
  ) {
    var c0 = NativeVector(), c1 = NativeVector(), c2 = NativeVector(), c3 = NativeVector(), c4 = NativeVector(),
      c5 = NativeVector(), c6 = NativeVector(), c7 = NativeVector()
    var a = a
    var b = b
    for _ in 0..<depth {
      let b0 = Arithmetic.load(b)
      b += NativeVector.scalarCount
      c0 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[0]), b0, c0)
      c1 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[1]), b0, c1)
      c2 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[2]), b0, c2)
      c3 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[3]), b0, c3)
      c4 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[4]), b0, c4)
      c5 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[5]), b0, c5)
      c6 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[6]), b0, c6)
      c7 = Arithmetic.multiplyAdd(Arithmetic.broadcast(a[7]), b0, c7)
      a += Backend.leftPanelWidth
    }
    store(c0, c, true)
    store(c1, c + cStride, true)
    store(c2, c + 2 * cStride, true)
    store(c3, c + 3 * cStride, true)
    store(c4, c + 4 * cStride, true)
    store(c5, c + 5 * cStride, true)
    store(c6, c + 6 * cStride, true)
    store(c7, c + 7 * cStride, true)
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
