#if OPENBLAS
  import COpenBLAS
  import Microkernels

  /// Products by OpenBLAS, which brings code for every processor: what packing there is it does by itself, so that
  /// "panels" are whole matrices, row by row.
  extension Backend {
    /// Threads are ours: OpenBLAS works on the one that calls.
    package static func prepare() { openblas_set_num_threads(1) }

    package static var tileRows: Int { 8 }

    /// The kernel that OpenBLAS takes depends on the size of a product, and in some kernels (Haswell's) the order of
    /// additions on where in the result an element stands.
    package static var roundsByPlace: Bool { true }

    package static var productScratch: Int { 0 }

    package static func panelWidth(columns: Int) -> Int { (columns + 7) & ~7 }

    package static func packedCount(depth: Int, columns: Int) -> Int { depth * panelWidth(columns: columns) }

    package static func place(of column: Int, in columns: Int, depth: Int) -> (offset: Int, step: Int) {
      (column, panelWidth(columns: columns))
    }

    package static func pack(
      panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
      into packed: UnsafeMutablePointer<Float>
    ) {
      let width = panelWidth(columns: columns)
      for i in 0..<depth {
        for j in 0..<width { packed[i * width + j] = j < columns ? source[i * rowStride + j * columnStride] : 0 }
      }
    }

    package static func multiply(
      rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedMatrix,
      into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, finish: Finish?,
      scratch: UnsafeMutablePointer<Float>
    ) {
      guard rows > 0, !columns.isEmpty else { return }
      overDepth(b.depth) { first, count in
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns.count), blasint(count), 1,
          a + first, blasint(aStride), b.start + first * b.columns + columns.lowerBound, blasint(b.columns),
          accumulate || first > 0 ? 1 : 0, c, blasint(cStride))
      }
      if let finish { complete(c, rows: rows, columns: columns.count, stride: cStride, finish) }
    }

    /// Calls `body` with pieces of the depth, none longer than those of our own products. OpenBLAS cuts a deep product as
    /// well, but not a small one, whose elements then are single chains of additions, three times as far from the sum at
    /// a depth of 2048.
    private static func overDepth(_ depth: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
      let piece = 256
      var first = 0
      repeat {
        let rest = depth - first
        let count = rest < piece + piece / 2 ? rest : piece
        body(first, count)
        first += count
      } while first < depth
    }

    package static var leftWidth: Int { 64 }

    package static func rightWidth(columns: Int) -> Int { (columns + 7) & ~7 }

    package static func multiplyTransposed(
      rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
      capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
    ) {
      guard rows > 0, rightColumns > 0 else { return }
      let rightWidth = rightWidth(columns: rightColumns)
      overDepth(rows) { first, count in
        for i in stride(from: 0, to: leftColumns, by: leftWidth) {
          cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, blasint(min(leftWidth, leftColumns - i)), blasint(rightColumns),
            blasint(count), 1, left + i * capacity + first * leftWidth, blasint(leftWidth),
            right + first * rightWidth, blasint(rightWidth), 1, c + i * cStride, blasint(cStride))
        }
      }
    }
  }
#endif
