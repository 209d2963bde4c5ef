#if AVX512
  /// A tile of C in registers while the depth runs past.
  ///
  /// 12 × 2 accumulators of sixteen floats, two vectors of B and one of A fill 27 of 32 registers.
  ///
  /// Each element is one chain of fused multiply-adds in the order of the depth, begun at zero; what C held is added once at
  /// the end. So an element's rounding does not depend on the tile it fell into.
  enum Tile {
    static let rows = 12
    /// Columns of A that a tile of the transposed product takes.
    static let leftColumns = 8

    /// `C[rows, two vectors] = A[rows, depth] · B[depth, two vectors] (+ C)`
    @inline(__always)
    static func multiplyTwo(
      _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
      _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
    ) {
      var c0a = Wide(), c0b = Wide(), c1a = Wide(), c1b = Wide(), c2a = Wide(), c2b = Wide()
      var c3a = Wide(), c3b = Wide(), c4a = Wide(), c4b = Wide(), c5a = Wide(), c5b = Wide()
      var c6a = Wide(), c6b = Wide(), c7a = Wide(), c7b = Wide(), c8a = Wide(), c8b = Wide()
      var c9a = Wide(), c9b = Wide(), c10a = Wide(), c10b = Wide(), c11a = Wide(), c11b = Wide()
      var b = panel
      var a0 = a
      var a1 = a + 3 * aStride
      var a2 = a + 6 * aStride
      var a3 = a + 9 * aStride
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
        x = Wide(repeating: a2[0])
        c6a = multiplyAdd(x, b0, c6a)
        c6b = multiplyAdd(x, b1, c6b)
        x = Wide(repeating: a2[aStride])
        c7a = multiplyAdd(x, b0, c7a)
        c7b = multiplyAdd(x, b1, c7b)
        x = Wide(repeating: a2[2 * aStride])
        c8a = multiplyAdd(x, b0, c8a)
        c8b = multiplyAdd(x, b1, c8b)
        x = Wide(repeating: a3[0])
        c9a = multiplyAdd(x, b0, c9a)
        c9b = multiplyAdd(x, b1, c9b)
        x = Wide(repeating: a3[aStride])
        c10a = multiplyAdd(x, b0, c10a)
        c10b = multiplyAdd(x, b1, c10b)
        x = Wide(repeating: a3[2 * aStride])
        c11a = multiplyAdd(x, b0, c11a)
        c11b = multiplyAdd(x, b1, c11b)
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
      _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ panel: UnsafePointer<Float>,
      _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
    ) {
      var c0a = Wide(), c1a = Wide(), c2a = Wide()
      var c3a = Wide(), c4a = Wide(), c5a = Wide()
      var c6a = Wide(), c7a = Wide(), c8a = Wide()
      var c9a = Wide(), c10a = Wide(), c11a = Wide()
      var b = panel
      var a0 = a
      var a1 = a + 3 * aStride
      var a2 = a + 6 * aStride
      var a3 = a + 9 * aStride
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
        x = Wide(repeating: a2[0])
        c6a = multiplyAdd(x, b0, c6a)
        x = Wide(repeating: a2[aStride])
        c7a = multiplyAdd(x, b0, c7a)
        x = Wide(repeating: a2[2 * aStride])
        c8a = multiplyAdd(x, b0, c8a)
        x = Wide(repeating: a3[0])
        c9a = multiplyAdd(x, b0, c9a)
        x = Wide(repeating: a3[aStride])
        c10a = multiplyAdd(x, b0, c10a)
        x = Wide(repeating: a3[2 * aStride])
        c11a = multiplyAdd(x, b0, c11a)
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

    /// `C[leftColumns, two vectors] += Aᵀ · B` over `depth` rows; A's are `leftWidth` floats apart.
    @inline(__always)
    static func multiplyTransposedTwo(
      _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
      _ cStride: Int
    ) {
      var c0a = Wide(), c0b = Wide(), c1a = Wide(), c1b = Wide()
      var c2a = Wide(), c2b = Wide(), c3a = Wide(), c3b = Wide()
      var c4a = Wide(), c4b = Wide(), c5a = Wide(), c5b = Wide()
      var c6a = Wide(), c6b = Wide(), c7a = Wide(), c7b = Wide()
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
        x = Wide(repeating: a[4])
        c4a = multiplyAdd(x, b0, c4a)
        c4b = multiplyAdd(x, b1, c4b)
        x = Wide(repeating: a[5])
        c5a = multiplyAdd(x, b0, c5a)
        c5b = multiplyAdd(x, b1, c5b)
        x = Wide(repeating: a[6])
        c6a = multiplyAdd(x, b0, c6a)
        c6b = multiplyAdd(x, b1, c6b)
        x = Wide(repeating: a[7])
        c7a = multiplyAdd(x, b0, c7a)
        c7b = multiplyAdd(x, b1, c7b)
        a += Backend.leftWidth
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

    /// `C[leftColumns, one vector] += Aᵀ · B` over `depth` rows; A's are `leftWidth` floats apart.
    @inline(__always)
    static func multiplyTransposedOne(
      _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
      _ cStride: Int
    ) {
      var c0 = Wide(), c1 = Wide(), c2 = Wide(), c3 = Wide(), c4 = Wide(), c5 = Wide(), c6 = Wide(), c7 = Wide()
      var a = a
      var b = b
      for _ in 0..<depth {
        let b0: Wide = b.load()
        b += Wide.scalarCount
        c0 = multiplyAdd(Wide(repeating: a[0]), b0, c0)
        c1 = multiplyAdd(Wide(repeating: a[1]), b0, c1)
        c2 = multiplyAdd(Wide(repeating: a[2]), b0, c2)
        c3 = multiplyAdd(Wide(repeating: a[3]), b0, c3)
        c4 = multiplyAdd(Wide(repeating: a[4]), b0, c4)
        c5 = multiplyAdd(Wide(repeating: a[5]), b0, c5)
        c6 = multiplyAdd(Wide(repeating: a[6]), b0, c6)
        c7 = multiplyAdd(Wide(repeating: a[7]), b0, c7)
        a += Backend.leftWidth
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
