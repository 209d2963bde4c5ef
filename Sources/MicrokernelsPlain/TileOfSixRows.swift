#if !AVX512 && !OPENBLAS
  /// A tile of C in registers while the depth runs past.
  ///
  /// 6 × 2 accumulators of eight floats, two vectors of B and one of A fill 15 of 16 registers.
  ///
  /// Each element is one chain of fused multiply-adds in the order of the depth, begun at zero; what C held is added once at
  /// the end. So an element's rounding does not depend on the tile it fell into.
  enum Tile {
    static let rows = 6
    /// Columns of A that a tile of the transposed product takes.
    static let leftColumns = 4

    /// `C[rows, two vectors] = A[rows, depth] · B[depth, two vectors] (+ C)`
    @inline(__always)
    static func multiplyTwo(
      _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
      _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
    ) {
      var c0a = Wide(), c0b = Wide(), c1a = Wide(), c1b = Wide(), c2a = Wide(), c2b = Wide()
      var c3a = Wide(), c3b = Wide(), c4a = Wide(), c4b = Wide(), c5a = Wide(), c5b = Wide()
      var b = panel
      var a0 = a
      var a1 = a + 3 * aStride
      for _ in 0..<depth {
        let b0: Wide = b.load()
        let b1: Wide = b.load(Wide.scalarCount)
        b += 2 * Wide.scalarCount
        var x = Wide(repeating: a0[0])
        c0a = multiplyAdd(x, b0, c0a)
        c0b = multiplyAdd(x, b1, c0b)
        x = Wide(repeating: a0[aStride])
        c1a = multiplyAdd(x, b0, c1a)
        c1b = multiplyAdd(x, b1, c1b)
        x = Wide(repeating: a0[2 * aStride])
        c2a = multiplyAdd(x, b0, c2a)
        c2b = multiplyAdd(x, b1, c2b)
        x = Wide(repeating: a1[0])
        c3a = multiplyAdd(x, b0, c3a)
        c3b = multiplyAdd(x, b1, c3b)
        x = Wide(repeating: a1[aStride])
        c4a = multiplyAdd(x, b0, c4a)
        c4b = multiplyAdd(x, b1, c4b)
        x = Wide(repeating: a1[2 * aStride])
        c5a = multiplyAdd(x, b0, c5a)
        c5b = multiplyAdd(x, b1, c5b)
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
      var c0a = Wide(), c1a = Wide(), c2a = Wide()
      var c3a = Wide(), c4a = Wide(), c5a = Wide()
      var b = panel
      var a0 = a
      var a1 = a + 3 * aStride
      for _ in 0..<depth {
        let b0: Wide = b.load()
        b += Wide.scalarCount
        var x = Wide(repeating: a0[0])
        c0a = multiplyAdd(x, b0, c0a)
        x = Wide(repeating: a0[aStride])
        c1a = multiplyAdd(x, b0, c1a)
        x = Wide(repeating: a0[2 * aStride])
        c2a = multiplyAdd(x, b0, c2a)
        x = Wide(repeating: a1[0])
        c3a = multiplyAdd(x, b0, c3a)
        x = Wide(repeating: a1[aStride])
        c4a = multiplyAdd(x, b0, c4a)
        x = Wide(repeating: a1[2 * aStride])
        c5a = multiplyAdd(x, b0, c5a)
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

    /// `C[leftColumns, two vectors] += Aᵀ · B` over `depth` rows; A's are `leftWidth` floats apart.
    @inline(__always)
    static func multiplyTransposedTwo(
      _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
      _ cStride: Int
    ) {
      var c0a = Wide(), c0b = Wide(), c1a = Wide(), c1b = Wide()
      var c2a = Wide(), c2b = Wide(), c3a = Wide(), c3b = Wide()
      var a = a
      var b = b
      for _ in 0..<depth {
        let b0: Wide = b.load()
        let b1: Wide = b.load(Wide.scalarCount)
        b += 2 * Wide.scalarCount
        var x = Wide(repeating: a[0])
        c0a = multiplyAdd(x, b0, c0a)
        c0b = multiplyAdd(x, b1, c0b)
        x = Wide(repeating: a[1])
        c1a = multiplyAdd(x, b0, c1a)
        c1b = multiplyAdd(x, b1, c1b)
        x = Wide(repeating: a[2])
        c2a = multiplyAdd(x, b0, c2a)
        c2b = multiplyAdd(x, b1, c2b)
        x = Wide(repeating: a[3])
        c3a = multiplyAdd(x, b0, c3a)
        c3b = multiplyAdd(x, b1, c3b)
        a += Backend.leftWidth
      }
      store(c0a, c0b, c, true)
      store(c1a, c1b, c + cStride, true)
      store(c2a, c2b, c + 2 * cStride, true)
      store(c3a, c3b, c + 3 * cStride, true)
    }

    /// `C[leftColumns, one vector] += Aᵀ · B` over `depth` rows; A's are `leftWidth` floats apart.
    @inline(__always)
    static func multiplyTransposedOne(
      _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
      _ cStride: Int
    ) {
      var c0 = Wide(), c1 = Wide(), c2 = Wide(), c3 = Wide()
      var a = a
      var b = b
      for _ in 0..<depth {
        let b0: Wide = b.load()
        b += Wide.scalarCount
        c0 = multiplyAdd(Wide(repeating: a[0]), b0, c0)
        c1 = multiplyAdd(Wide(repeating: a[1]), b0, c1)
        c2 = multiplyAdd(Wide(repeating: a[2]), b0, c2)
        c3 = multiplyAdd(Wide(repeating: a[3]), b0, c3)
        a += Backend.leftWidth
      }
      store(c0, c, true)
      store(c1, c + cStride, true)
      store(c2, c + 2 * cStride, true)
      store(c3, c + 3 * cStride, true)
    }

    @inline(__always)
    private static func store(_ x: Wide, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
      c.store(accumulate ? x + c.load() : x)
    }

    @inline(__always)
    private static func store(_ x: Wide, _ y: Wide, _ c: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
      c.store(accumulate ? x + c.load() : x)
      c.store(accumulate ? y + c.load(Wide.scalarCount) : y, Wide.scalarCount)
    }
  }
#endif
