import Microkernels

/// GEMM in the manner of BLIS: the `GEMMMicrokernel` keeps a tile of C in registers, a panel of packed B stays in the
/// L1 cache and a block of A in the L2 cache.
extension Backend {
  package static var tileRows: Int { GEMMMicrokernel.rows }

  package static var isBatchInvariant: Bool { true }

  /// Rows of A that stay in the L2 cache.
  private static let rowBlock = 192

  /// Depth of the panel of B that stays in the L1 cache; the last block may be up to half as long again.
  private static let depthBlock = 256
  private static let longestBlock = depthBlock + depthBlock / 2

  /// Floats between the rows of the copy of a block of A, so that they are not a multiple of a cache way apart.
  private static let copyMargin = 16

  private static let lanes = NativeVector.scalarCount
  private static let twoVectors = 2 * NativeVector.scalarCount

  /// Rows of a block in whole tiles.
  private static let copiedRows = rowBlock.roundedUp(toMultipleOf: GEMMMicrokernel.rows)

  /// A block of A, and a tile of C for the last few rows and columns.
  package static var gemmWorkspaceCount: Int {
    copiedRows * (longestBlock + copyMargin) + GEMMMicrokernel.rows * twoVectors + lanes
  }

  package static func panelWidth(columns: Int) -> Int { twoVectors }

  package static func packedCount(depth: Int, columns: Int) -> Int { depth * columns.roundedUp(toMultipleOf: lanes) }

  /// Columns of a panel when `rest` are left: the last panel may be a single vector wide.
  @inline(__always)
  private static func width(_ rest: Int) -> Int { rest > lanes ? twoVectors : lanes }

  package static func packedOffset(ofColumn column: Int, columns: Int, depth: Int) -> (offset: Int, rowStride: Int) {
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
        for j in stride(from: 0, to: width, by: lanes) { target.store(row.load(j) as NativeVector, i * width + j) }
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
    rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedB,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, epilogue: EpiloguePointers?,
    workspace: UnsafeMutablePointer<Float>
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
          firstDepth + blockDepth == b.depth ? epilogue?.advanced(columns: 0, elements: firstRow * cStride) : nil,
          workspace)
        firstDepth += blockDepth
      }
    }
  }

  /// One block of A, small enough for the L2 cache, times all panels.
  private static func multiplyBlock(
    rows: Int, _ columns: Range<Int>, depth: Range<Int>, _ source: UnsafePointer<Float>, _ sourceStride: Int,
    _ b: PackedB, _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool, _ epilogue: EpiloguePointers?,
    _ workspace: UnsafeMutablePointer<Float>
  ) {
    let wholeRows = rows / GEMMMicrokernel.rows * GEMMMicrokernel.rows
    let copyStride = depth.count + copyMargin
    // Rows a multiple of 256 floats apart would map to a few cache sets.
    let copiesAll = sourceStride % 256 == 0
    // The last few rows are multiplied as a whole tile of the copy; its missing rows have arbitrary contents.
    let firstCopied = copiesAll ? 0 : wholeRows
    for row in firstCopied..<rows {
      let (from, to) = (source + row * sourceStride, workspace + (row - firstCopied) * copyStride)
      for i in stride(from: 0, to: depth.count, by: 8) { to.store(from.vector(i), i) }
    }
    let a = copiesAll ? UnsafePointer(workspace) : source
    let aStride = copiesAll ? copyStride : sourceStride
    let lastRows = UnsafePointer(workspace) + (wholeRows - firstCopied) * copyStride
    let tile = workspace + copiedRows * (longestBlock + copyMargin)

    for j in stride(from: columns.lowerBound, to: columns.upperBound, by: twoVectors) {
      let width = width(b.columns - j)
      let panel = b.start + j * b.depth + depth.lowerBound * width
      let target = c + (j - columns.lowerBound)
      let filled = min(width, columns.upperBound - j)
      // A tile that extends past the edge of C goes through the workspace.
      let direct = filled == width ? wholeRows : 0
      if width == twoVectors {
        for i in stride(from: 0, to: direct, by: GEMMMicrokernel.rows) {
          GEMMMicrokernel.multiplyTwo(
            depth.count, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
        }
        for i in stride(from: direct, to: rows, by: GEMMMicrokernel.rows) {
          let inside = i < wholeRows
          GEMMMicrokernel.multiplyTwo(
            depth.count, inside ? a + i * aStride : lastRows, inside ? aStride : copyStride, panel, tile, width, false
          )
          copy(
            tile, width, rows: min(GEMMMicrokernel.rows, rows - i), filled, to: target + i * cStride, cStride,
            accumulate)
        }
      } else {
        for i in stride(from: 0, to: direct, by: GEMMMicrokernel.rows) {
          GEMMMicrokernel.multiplyOne(
            depth.count, a + i * aStride, aStride, panel, target + i * cStride, cStride, accumulate)
        }
        for i in stride(from: direct, to: rows, by: GEMMMicrokernel.rows) {
          let inside = i < wholeRows
          GEMMMicrokernel.multiplyOne(
            depth.count, inside ? a + i * aStride : lastRows, inside ? aStride : copyStride, panel, tile, width, false
          )
          copy(
            tile, width, rows: min(GEMMMicrokernel.rows, rows - i), filled, to: target + i * cStride, cStride,
            accumulate)
        }
      }
      if let epilogue {
        let offset = j - columns.lowerBound
        applyEpilogue(
          epilogue.advanced(columns: offset, elements: offset), to: target, rows: rows, columns: filled, stride: cStride
        )
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

  /// A cache line, or half of one.
  package static var leftPanelWidth: Int { lanes }

  package static func rightPanelWidth(columns: Int) -> Int { width(columns) }

  package static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    /// Columns of A whose panels stay in the L2 cache.
    let leftBlock = 128
    let width = rightPanelWidth(columns: rightColumns)
    var firstRow = 0
    while firstRow < rows {
      let remaining = rows - firstRow
      let depth = remaining < longestBlock ? remaining : depthBlock
      for firstLeft in stride(from: 0, to: leftColumns, by: leftBlock) {
        let endLeft = min(leftColumns, firstLeft + leftBlock)
        for j in stride(from: 0, to: rightColumns, by: width) {
          let b = right + j * capacity + firstRow * width
          for i in stride(from: firstLeft, to: endLeft, by: GEMMMicrokernel.leftColumns) {
            let place = i % leftPanelWidth
            let a = left + (i - place) * capacity + firstRow * leftPanelWidth + place
            let target = c + i * cStride + j
            if width == twoVectors {
              GEMMMicrokernel.multiplyTransposedTwo(depth, a, b, target, cStride)
            } else {
              GEMMMicrokernel.multiplyTransposedOne(depth, a, b, target, cStride)
            }
          }
        }
      }
      firstRow += depth
    }
  }
}
