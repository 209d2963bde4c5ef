#if OPENBLAS
  import COpenBLAS
  import Loops

  /// Products by OpenBLAS, which brings code for every processor: what packing there is it does by itself, so that
  /// "panels" are whole matrices, row by row.
  extension Compiled {
    /// Threads are ours: OpenBLAS works on the one that calls.
    package static func prepare() { openblas_set_num_threads(1) }

    package static var tileRows: Int { 8 }
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
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns.count), blasint(b.depth), 1, a,
        blasint(aStride), b.start + columns.lowerBound, blasint(b.columns), accumulate ? 1 : 0, c, blasint(cStride))
      if let finish { complete(c, rows: rows, columns: columns.count, stride: cStride, finish) }
    }

    package static var leftWidth: Int { 64 }

    package static func rightWidth(columns: Int) -> Int { (columns + 7) & ~7 }

    package static func multiplyTransposed(
      rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
      capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
    ) {
      guard rows > 0, rightColumns > 0 else { return }
      for i in stride(from: 0, to: leftColumns, by: leftWidth) {
        cblas_sgemm(
          CblasRowMajor, CblasTrans, CblasNoTrans, blasint(min(leftWidth, leftColumns - i)), blasint(rightColumns),
          blasint(rows), 1, left + i * capacity, blasint(leftWidth), right, blasint(rightWidth(columns: rightColumns)),
          1, c + i * cStride, blasint(cStride))
      }
    }
  }
#endif
