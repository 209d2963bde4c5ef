/// The innermost loops of `MatrixProduct`: a tile of C stays in registers while the depth runs past.
///
/// Each element of a tile is one chain of fused multiply-adds in the order of the depth, begun at zero; what C held is
/// added once at the end. So an element's rounding does not depend on the tile it fell into.
enum Tile {
  /// Rows of the row-major tiles: 6 × 2 accumulators, two vectors of B and one of A fill 15 of 16 registers.
  static let rows = 6

  /// `C[6, 16] = A[6, depth] · B[depth, 16] (+ C)` with B in a panel of 16 columns.
  @inline(__always)
  static func multiply6x16(
    _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c00 = Vector(), c01 = Vector(), c10 = Vector(), c11 = Vector(), c20 = Vector(), c21 = Vector()
    var c30 = Vector(), c31 = Vector(), c40 = Vector(), c41 = Vector(), c50 = Vector(), c51 = Vector()
    var b = panel
    var upper = a
    var lower = a + 3 * aStride
    for _ in 0..<depth {
      let b0 = b.vector()
      let b1 = b.vector(8)
      b += 16
      var x = Vector(repeating: upper[0])
      c00 = multiplyAdd(x, b0, c00)
      c01 = multiplyAdd(x, b1, c01)
      x = Vector(repeating: upper[aStride])
      c10 = multiplyAdd(x, b0, c10)
      c11 = multiplyAdd(x, b1, c11)
      x = Vector(repeating: upper[2 * aStride])
      c20 = multiplyAdd(x, b0, c20)
      c21 = multiplyAdd(x, b1, c21)
      x = Vector(repeating: lower[0])
      c30 = multiplyAdd(x, b0, c30)
      c31 = multiplyAdd(x, b1, c31)
      x = Vector(repeating: lower[aStride])
      c40 = multiplyAdd(x, b0, c40)
      c41 = multiplyAdd(x, b1, c41)
      x = Vector(repeating: lower[2 * aStride])
      c50 = multiplyAdd(x, b0, c50)
      c51 = multiplyAdd(x, b1, c51)
      upper += 1
      lower += 1
    }
    store(c00, c01, c, accumulate)
    store(c10, c11, c + cStride, accumulate)
    store(c20, c21, c + 2 * cStride, accumulate)
    store(c30, c31, c + 3 * cStride, accumulate)
    store(c40, c41, c + 4 * cStride, accumulate)
    store(c50, c51, c + 5 * cStride, accumulate)
  }

  /// `C[6, 8] = A[6, depth] · B[depth, 8] (+ C)` with B in a panel of 8 columns.
  @inline(__always)
  static func multiply6x8(
    _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
  ) {
    var c0 = Vector(), c1 = Vector(), c2 = Vector(), c3 = Vector(), c4 = Vector(), c5 = Vector()
    var b = panel
    var upper = a
    var lower = a + 3 * aStride
    for _ in 0..<depth {
      let b0 = b.vector()
      b += 8
      c0 = multiplyAdd(upper[0], b0, c0)
      c1 = multiplyAdd(upper[aStride], b0, c1)
      c2 = multiplyAdd(upper[2 * aStride], b0, c2)
      c3 = multiplyAdd(lower[0], b0, c3)
      c4 = multiplyAdd(lower[aStride], b0, c4)
      c5 = multiplyAdd(lower[2 * aStride], b0, c5)
      upper += 1
      lower += 1
    }
    store(c0, c, accumulate)
    store(c1, c + cStride, accumulate)
    store(c2, c + 2 * cStride, accumulate)
    store(c3, c + 3 * cStride, accumulate)
    store(c4, c + 4 * cStride, accumulate)
    store(c5, c + 5 * cStride, accumulate)
  }

  /// `C[4, 16] += Aᵀ · B` over `depth` rows, A's four columns 8 floats from row to row (half a panel), B's 16.
  @inline(__always)
  static func multiplyTransposed4x16(
    _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
    _ cStride: Int
  ) {
    var c00 = Vector(), c01 = Vector(), c10 = Vector(), c11 = Vector()
    var c20 = Vector(), c21 = Vector(), c30 = Vector(), c31 = Vector()
    var a = a
    var b = b
    for _ in 0..<depth {
      let b0 = b.vector()
      let b1 = b.vector(8)
      b += 16
      var x = Vector(repeating: a[0])
      c00 = multiplyAdd(x, b0, c00)
      c01 = multiplyAdd(x, b1, c01)
      x = Vector(repeating: a[1])
      c10 = multiplyAdd(x, b0, c10)
      c11 = multiplyAdd(x, b1, c11)
      x = Vector(repeating: a[2])
      c20 = multiplyAdd(x, b0, c20)
      c21 = multiplyAdd(x, b1, c21)
      x = Vector(repeating: a[3])
      c30 = multiplyAdd(x, b0, c30)
      c31 = multiplyAdd(x, b1, c31)
      a += 8
    }
    store(c00, c01, c, true)
    store(c10, c11, c + cStride, true)
    store(c20, c21, c + 2 * cStride, true)
    store(c30, c31, c + 3 * cStride, true)
  }

  @inline(__always)
  private static func store(_ x: Vector, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
    c.store(accumulate ? x + c.vector() : x)
  }

  @inline(__always)
  private static func store(_ x: Vector, _ y: Vector, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
    c.store(accumulate ? x + c.vector() : x)
    c.store(accumulate ? y + c.vector(8) : y, 8)
  }
}
