/// `C += Aᵀ · B` over many rows: how gradients of weights come about.
///
/// Both matrices are read from panels, A in `[columns / 8][capacity][8]`, B in `[columns / 16][capacity][16]`, where
/// `capacity` is the number of rows that a panel has room for. A few hundred rows at a time are packed and multiplied.
extension MatrixProduct {
  /// Columns of A (rows of C) in whole panels.
  package static func paddedLeft(_ columns: Int) -> Int { (columns + 7) & ~7 }

  /// Columns of B (columns of C) in whole panels.
  package static func paddedRight(_ columns: Int) -> Int { (columns + 15) & ~15 }

  /// Rows of A and B whose panels stay in the first-level cache; a good number to pack at a time.
  package static let transposedDepth = 256

  /// Packs `rows` rows of A: `columns`, a multiple of 8, from row-major memory.
  package static func packLeft(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    // Panel after panel, so that what is written follows upon itself.
    for column in stride(from: 0, to: columns, by: 8) {
      var from = source + column
      var to = packed + column * capacity
      for _ in 0..<rows {
        to.store(from.vector())
        from += rowStride
        to += 8
      }
    }
  }

  /// Packs `rows` rows of B: `columns`, a multiple of 8, from row-major memory; a last half panel is filled with zeros.
  package static func packRight(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for column in stride(from: 0, to: columns, by: 16) {
      var from = source + column
      var to = packed + column * capacity
      if columns - column >= 16 {
        for _ in 0..<rows {
          to.store(from.vector())
          to.store(from.vector(8), 8)
          from += rowStride
          to += 16
        }
      } else {
        for _ in 0..<rows {
          to.store(from.vector())
          to.store(Vector(), 8)
          from += rowStride
          to += 16
        }
      }
    }
  }

  /// `C[leftColumns, rightColumns] += Aᵀ · B` over `rows` packed rows.
  ///
  /// Columns are rounded up to whole panels (of A half ones: 4) and that much of C is written: C needs room for it.
  ///
  /// - Parameters:
  ///   - capacity: rows that each panel has room for.
  ///   - cStride: floats from row to row of C, at least `paddedRight(rightColumns)`.
  package static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    /// Columns of A whose panels stay in the second-level cache.
    let leftBlock = 128
    var firstRow = 0
    while firstRow < rows {
      let remaining = rows - firstRow
      let depth = remaining < transposedDepth + transposedDepth / 2 ? remaining : transposedDepth
      for firstLeft in stride(from: 0, to: leftColumns, by: leftBlock) {
        let endLeft = min(leftColumns, firstLeft + leftBlock)
        for j in stride(from: 0, to: rightColumns, by: 16) {
          let b = right + j * capacity + firstRow * 16
          for i in stride(from: firstLeft, to: endLeft, by: 4) {
            let a = left + (i & ~7) * capacity + firstRow * 8 + (i & 4)
            Tile.multiplyTransposed4x16(depth, a, b, c + i * cStride + j, cStride)
          }
        }
      }
      firstRow += depth
    }
  }
}
