/// Products of single-precision matrices, on one thread; kernels call them from their tasks.
///
/// `C = A · B` reads A and C row by row as they lie in tensors, and B from *panels* that `pack` writes: for each 16
/// columns the depth one after the other, `[columns / 16][depth][16]`, and where 8 columns remain a last panel
/// `[depth][8]`. Columns beyond the matrix are zero in the panels, which keeps the padding of tensors zero.
///
/// The order of additions in an element of C depends on the depth alone: not on the number of rows, nor on where in
/// the matrix a row stands.
package enum MatrixProduct {
  /// Rows of A that stay in the second-level cache, a multiple of `Tile.rows`; a good size for a task.
  package static let rowBlock = 192

  /// Depth of the B panel that stays in the first-level cache, but for a last block half as long again at most.
  private static let depthBlock = 256
  private static let longestBlock = depthBlock + depthBlock / 2

  /// Floats from row to row in the copy of a block of A: more than its depth, and no multiple of a cache way.
  private static let copyMargin = 16

  /// Floats that `multiply` needs as scratch: a block of A, and a tile of C for the last few rows.
  package static let scratchCount = rowBlock * (longestBlock + copyMargin) + Tile.rows * 16

  /// Columns of C that are written for a B of `columns` columns: whole vectors.
  package static func paddedColumns(_ columns: Int) -> Int { (columns + 7) & ~7 }

  /// Floats in the panels of a B of `depth` × `columns`.
  package static func packedCount(depth: Int, columns: Int) -> Int { depth * paddedColumns(columns) }

  /// Panels of 16 columns, the narrow last one counted.
  package static func panels(columns: Int) -> Int { (columns + 15) / 16 }

  /// Writes panel `panel` of the `depth` × `columns` matrix whose element (i, j) is
  /// `source[i * rowStride + j * columnStride]`; row-major matrices have `columnStride` 1, transposed ones `rowStride` 1.
  package static func pack(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let first = panel * 16
    let width = min(16, paddedColumns(columns) - first)
    let filled = min(width, columns - first)
    let target = packed + first * depth
    let corner = source + first * columnStride
    if columnStride == 1 && filled == width {
      for i in 0..<depth {
        let row = corner + i * rowStride
        for j in stride(from: 0, to: width, by: 8) { target.store(row.vector(j), i * width + j) }
      }
      return
    }
    for j in 0..<filled {
      let column = corner + j * columnStride
      for i in 0..<depth { target[i * width + j] = column[i * rowStride] }
    }
    for j in filled..<width {
      for i in 0..<depth { target[i * width + j] = 0 }
    }
  }

  /// Writes all panels; see `pack(panel:…)`.
  package static func pack(
    depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for panel in 0..<panels(columns: columns) {
      pack(
        panel: panel, depth: depth, columns: columns, from: source, rowStride: rowStride, columnStride: columnStride,
        into: packed)
    }
  }

  /// `C[rows, columns] = A[rows, depth] · B[depth, columns]`, plus what C held where `accumulate` says so.
  ///
  /// - Parameters:
  ///   - columns: a multiple of 8: `paddedColumns` of the packed matrix, or a run of its panels (then `b` points to
  ///     the first of them, `depth` floats a column into the packed matrix, a multiple of 16 columns).
  ///   - aStride: floats from row to row of A. Rows a multiple of 256 floats apart, which would fight for a few sets
  ///     of the caches, are copied to `scratch` first.
  ///   - cStride: floats from row to row of C.
  ///   - scratch: `scratchCount` floats of this thread's own.
  package static func multiply(
    rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, aStride: Int, panels b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool = false,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for firstRow in stride(from: 0, to: rows, by: rowBlock) {
      let blockRows = min(rowBlock, rows - firstRow)
      var firstDepth = 0
      while firstDepth < depth {
        let remaining = depth - firstDepth
        let blockDepth = remaining < longestBlock ? remaining : depthBlock
        multiplyBlock(
          rows: blockRows, columns: columns, depth: blockDepth, a + firstRow * aStride + firstDepth, aStride,
          b + firstDepth * 16, wholeDepth: depth, firstDepth: firstDepth, c + firstRow * cStride, cStride,
          accumulate || firstDepth > 0, scratch)
        firstDepth += blockDepth
      }
    }
  }

  /// One block of A, small enough for the second-level cache, times all panels.
  private static func multiplyBlock(
    rows: Int, columns: Int, depth: Int, _ source: UnsafePointer<Float>, _ sourceStride: Int,
    _ b: UnsafePointer<Float>, wholeDepth: Int, firstDepth: Int, _ c: UnsafeMutablePointer<Float>, _ cStride: Int,
    _ accumulate: Bool, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let wholeRows = rows / Tile.rows * Tile.rows
    let copyStride = depth + copyMargin
    let copiesAll = sourceStride % 256 == 0
    // The last few rows are multiplied as a whole tile of the copy, whose missing rows hold anything.
    let firstCopied = copiesAll ? 0 : wholeRows
    for row in firstCopied..<rows {
      copy(depth, from: source + row * sourceStride, to: scratch + (row - firstCopied) * copyStride)
    }
    let a = copiesAll ? UnsafePointer(scratch) : source
    let aStride = copiesAll ? copyStride : sourceStride
    let lastRows = UnsafePointer(scratch) + (wholeRows - firstCopied) * copyStride
    let tile = scratch + rowBlock * (longestBlock + copyMargin)

    for j in stride(from: 0, to: columns, by: 16) {
      let width = min(16, columns - j)
      // `b` is advanced to this block's depth as in a panel of 16; the narrow panel has half as much before it.
      let panel = b + j * wholeDepth - (width == 16 ? 0 : firstDepth * 8)
      let target = c + j
      if width == 16 {
        for i in stride(from: 0, to: wholeRows, by: Tile.rows) {
          Tile.multiply6x16(depth, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
        }
        if wholeRows < rows { Tile.multiply6x16(depth, lastRows, copyStride, panel, tile, 16, false) }
      } else {
        for i in stride(from: 0, to: wholeRows, by: Tile.rows) {
          Tile.multiply6x8(depth, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
        }
        if wholeRows < rows { Tile.multiply6x8(depth, lastRows, copyStride, panel, tile, 16, false) }
      }
      for row in wholeRows..<rows {
        let from = tile + (row - wholeRows) * 16
        let to = target + row * cStride
        for column in stride(from: 0, to: width, by: 8) {
          to.store(accumulate ? from.vector(column) + to.vector(column) : from.vector(column), column)
        }
      }
    }
  }

  /// Copies a row; up to 7 floats more are read and written.
  @inline(__always)
  private static func copy(
    _ count: Int, from source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>
  ) {
    for i in stride(from: 0, to: count, by: 8) { target.store(source.vector(i), i) }
  }
}
