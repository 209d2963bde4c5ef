import Microkernels

#if !OPENBLAS
  /// Products with a tile of C in registers, B's panel in the first-level and a block of A in the second-level cache.
  extension Backend {
    package static func prepare() {}

    package static var tileRows: Int { Tile.rows }

    package static var roundsByPlace: Bool { false }

    /// Rows of A that stay in the second-level cache.
    private static let rowBlock = 192

    /// Depth of the B panel that stays in the first-level cache, but for a last block half as long again at most.
    private static let depthBlock = 256
    private static let longestBlock = depthBlock + depthBlock / 2

    /// FloatSlice from row to row in the copy of a block of A: more than its depth, and no multiple of a cache way.
    private static let copyMargin = 16

    private static let lanes = Wide.scalarCount
    private static let twoVectors = 2 * Wide.scalarCount

    /// Rows of a block in whole tiles.
    private static let copiedRows = (rowBlock + Tile.rows - 1) / Tile.rows * Tile.rows

    /// A block of A, and a tile of C for the last few rows and columns.
    package static var productScratch: Int {
      copiedRows * (longestBlock + copyMargin) + Tile.rows * twoVectors + lanes
    }

    package static func panelWidth(columns: Int) -> Int { twoVectors }

    package static func packedCount(depth: Int, columns: Int) -> Int { depth * ((columns + lanes - 1) & ~(lanes - 1)) }

    /// The last panel is a single vector wide where no more is left.
    @inline(__always)
    private static func width(_ rest: Int) -> Int { rest > lanes ? twoVectors : lanes }

    package static func place(of column: Int, in columns: Int, depth: Int) -> (offset: Int, step: Int) {
      let first = column / twoVectors * twoVectors
      return (first * depth + column - first, width(columns - first))
    }

    package static func pack(
      panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
      into packed: UnsafeMutablePointer<Float>
    ) {
      let first = panel * twoVectors
      let width = width(columns - first)
      let filled = min(width, columns - first)
      let target = packed + first * depth
      let corner = source + first * columnStride
      if columnStride == 1 && filled == width {
        for i in 0..<depth {
          let row = corner + i * rowStride
          for j in stride(from: 0, to: width, by: lanes) { target.store(row.load(j) as Wide, i * width + j) }
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

    package static func multiply(
      rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedMatrix,
      into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, finish: Finish?,
      scratch: UnsafeMutablePointer<Float>
    ) {
      for firstRow in stride(from: 0, to: rows, by: rowBlock) {
        let blockRows = min(rowBlock, rows - firstRow)
        var firstDepth = 0
        while firstDepth < b.depth {
          let remaining = b.depth - firstDepth
          let blockDepth = remaining < longestBlock ? remaining : depthBlock
          multiplyBlock(
            rows: blockRows, columns, depth: firstDepth..<firstDepth + blockDepth,
            a + firstRow * aStride + firstDepth, aStride, b, c + firstRow * cStride, cStride,
            accumulate || firstDepth > 0,
            firstDepth + blockDepth == b.depth ? finish?.moved(columns: 0, floats: firstRow * cStride) : nil, scratch)
          firstDepth += blockDepth
        }
      }
    }

    /// One block of A, small enough for the second-level cache, times all panels.
    private static func multiplyBlock(
      rows: Int, _ columns: Range<Int>, depth: Range<Int>, _ source: UnsafePointer<Float>, _ sourceStride: Int,
      _ b: PackedMatrix, _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool, _ finish: Finish?,
      _ scratch: UnsafeMutablePointer<Float>
    ) {
      let wholeRows = rows / Tile.rows * Tile.rows
      let copyStride = depth.count + copyMargin
      // Rows a multiple of 256 floats apart would fight for a few sets of the caches.
      let copiesAll = sourceStride % 256 == 0
      // The last few rows are multiplied as a whole tile of the copy, whose missing rows hold anything.
      let firstCopied = copiesAll ? 0 : wholeRows
      for row in firstCopied..<rows {
        let (from, to) = (source + row * sourceStride, scratch + (row - firstCopied) * copyStride)
        for i in stride(from: 0, to: depth.count, by: 8) { to.store(from.vector(i), i) }
      }
      let a = copiesAll ? UnsafePointer(scratch) : source
      let aStride = copiesAll ? copyStride : sourceStride
      let lastRows = UnsafePointer(scratch) + (wholeRows - firstCopied) * copyStride
      let tile = scratch + copiedRows * (longestBlock + copyMargin)

      for j in stride(from: columns.lowerBound, to: columns.upperBound, by: twoVectors) {
        let width = width(b.columns - j)
        let panel = b.start + j * b.depth + depth.lowerBound * width
        let target = c + (j - columns.lowerBound)
        let filled = min(width, columns.upperBound - j)
        // A tile that hangs over the edge of C goes through memory of its own.
        let direct = filled == width ? wholeRows : 0
        if width == twoVectors {
          for i in stride(from: 0, to: direct, by: Tile.rows) {
            Tile.multiplyTwo(
              depth.count, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
          }
          for i in stride(from: direct, to: rows, by: Tile.rows) {
            let inside = i < wholeRows
            Tile.multiplyTwo(
              depth.count, inside ? a + i * aStride : lastRows, inside ? aStride : copyStride, panel, tile, width, false
            )
            copy(tile, width, rows: min(Tile.rows, rows - i), filled, to: target + i * cStride, cStride, accumulate)
          }
        } else {
          for i in stride(from: 0, to: direct, by: Tile.rows) {
            Tile.multiplyOne(
              depth.count, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
          }
          for i in stride(from: direct, to: rows, by: Tile.rows) {
            let inside = i < wholeRows
            Tile.multiplyOne(
              depth.count, inside ? a + i * aStride : lastRows, inside ? aStride : copyStride, panel, tile, width, false
            )
            copy(tile, width, rows: min(Tile.rows, rows - i), filled, to: target + i * cStride, cStride, accumulate)
          }
        }
        if let finish {
          let offset = j - columns.lowerBound
          complete(target, rows: rows, columns: filled, stride: cStride, finish.moved(columns: offset, floats: offset))
        }
      }
    }

    @inline(__always)
    private static func copy(
      _ tile: UnsafePointer<Float>, _ width: Int, rows: Int, _ columns: Int, to c: UnsafeMutablePointer<Float>,
      _ cStride: Int, _ accumulate: Bool
    ) {
      for row in 0..<rows {
        let (from, to) = (tile + row * width, c + row * cStride)
        for column in stride(from: 0, to: columns, by: 8) {
          to.store(accumulate ? from.vector(column) + to.vector(column) : from.vector(column), column)
        }
      }
    }

    // MARK: - The transposed product

    /// A line of the caches, or half of one.
    package static var leftWidth: Int { lanes }

    package static func rightWidth(columns: Int) -> Int { width(columns) }

    package static func multiplyTransposed(
      rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
      capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
    ) {
      /// Columns of A whose panels stay in the second-level cache.
      let leftBlock = 128
      let width = rightWidth(columns: rightColumns)
      var firstRow = 0
      while firstRow < rows {
        let remaining = rows - firstRow
        let depth = remaining < longestBlock ? remaining : depthBlock
        for firstLeft in stride(from: 0, to: leftColumns, by: leftBlock) {
          let endLeft = min(leftColumns, firstLeft + leftBlock)
          for j in stride(from: 0, to: rightColumns, by: width) {
            let b = right + j * capacity + firstRow * width
            for i in stride(from: firstLeft, to: endLeft, by: Tile.leftColumns) {
              let place = i % leftWidth
              let a = left + (i - place) * capacity + firstRow * leftWidth + place
              let target = c + i * cStride + j
              if width == twoVectors {
                Tile.multiplyTransposedTwo(depth, a, b, target, cStride)
              } else {
                Tile.multiplyTransposedOne(depth, a, b, target, cStride)
              }
            }
          }
        }
        firstRow += depth
      }
    }
  }
#endif

extension Backend {
  package static func packRows(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float, times other: UnsafePointer<Float>?,
    rowStride: Int, width: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    // The usual widths are compiled in one piece each.
    switch width {
    case 8: packRows(rows, columns, source, sign, other, rowStride, width: 8, capacity, packed)
    case 16: packRows(rows, columns, source, sign, other, rowStride, width: 16, capacity, packed)
    case 32: packRows(rows, columns, source, sign, other, rowStride, width: 32, capacity, packed)
    default: packRows(rows, columns, source, sign, other, rowStride, width: width, capacity, packed)
    }
  }

  @inline(__always)
  private static func packRows(
    _ rows: Int, _ columns: Int, _ source: UnsafePointer<Float>, _ sign: Float, _ other: UnsafePointer<Float>?,
    _ rowStride: Int, width: Int, _ capacity: Int, _ packed: UnsafeMutablePointer<Float>
  ) {
    if let other {
      packRows(rows: rows, columns: columns, width: width, capacity: capacity, into: packed) { row, column, to in
        let i = row * rowStride + column
        overVectors(
          to.count, wide: { to.start.store(multiplyAdd(sign, other.load(i + $0), source.load(i + $0) as Wide), $0) },
          eight: { to.start.store(multiplyAdd(sign, other.vector(i + $0), source.vector(i + $0)), $0) })
      }
    } else {
      packRows(rows: rows, columns: columns, width: width, capacity: capacity, into: packed) { row, column, to in
        let from = source + row * rowStride + column
        overVectors(
          to.count, wide: { to.start.store(from.load($0) as Wide, $0) },
          eight: { to.start.store(from.vector($0), $0) })
      }
    }
  }

  /// Row after row: what is read follows upon itself, and of each panel one cache line is being written.
  @inline(__always)
  private static func packRows(
    rows: Int, columns: Int, width: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>,
    _ copy: (_ row: Int, _ column: Int, _ to: (start: UnsafeMutablePointer<Float>, count: Int)) -> Void
  ) {
    let last = columns / width * width
    for row in 0..<rows {
      var to = packed + row * width
      for column in stride(from: 0, to: last, by: width) {
        copy(row, column, (to, width))
        to += width * capacity
      }
      guard last < columns else { continue }
      copy(row, last, (to, columns - last))
      for i in stride(from: columns - last, to: width, by: 8) { to.store(Vector.zero, i) }
    }
  }

  package static func complete(
    _ c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int, _ finish: Finish
  ) {
    for row in 0..<rows {
      let target = c + row * stride
      for column in Swift.stride(from: 0, to: columns, by: 8) {
        var value = target.vector(column)
        if let bias = finish.bias { value += bias.vector(column) }
        if let residual = finish.residual { value += residual.vector(row * stride + column) }
        target.store(finish.relu ? value.rectified : value, column)
      }
    }
  }
}
