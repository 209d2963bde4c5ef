import Microkernels

/// GEMM of bfloat16 numbers without an instruction for it: operands are rounded to bfloat16 and multiplied as floats.
/// Products of two bfloat16 numbers are exact in single precision, so this has no more roundings than the instruction.
extension Backend {
  /// Rows of A that are widened at a time.
  private static func rowBlock(depth: Int) -> Int { depth > 1024 ? 48 : 96 }

  /// Columns of a product that stay in the cache until they are rounded; a multiple of every panel width.
  private static let strip = 64

  /// Floats between the rows of the widened block of A, so that they are not a multiple of a cache way apart.
  private static func widenedStride(_ depth: Int) -> Int { depth.roundedUp(toMultipleOf: 8) + 8 }

  package static func roundedCount(depth: Int, columns: Int) -> Int { packedCount(depth: depth, columns: columns) }

  package static func roundedWorkspaceCount(depth: Int) -> Int {
    rowBlock(depth: depth) * (widenedStride(depth) + strip) + gemmWorkspaceCount
  }

  package static func packRounded(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    pack(
      panel: panel, depth: depth, columns: columns, from: source, rowStride: rowStride, columnStride: columnStride,
      into: packed)
    let first = panel * panelWidth(columns: columns)
    let (offset, width) = packedOffset(ofColumn: first, columns: columns, depth: depth)
    for i in offset..<offset + depth * width { packed[i] = Float(BFloat16(packed[i])) }
  }

  package static func multiplyRounded(
    rows: Int, columns: Range<Int>, _ a: Elements<BFloat16>, aStride: Int, _ b: RoundedB, into c: ElementPointer,
    cStride: Int, epilogue: EpiloguePointers?, workspace: UnsafeMutablePointer<Float>
  ) {
    let rowBlock = rowBlock(depth: b.depth)
    let stride = widenedStride(b.depth)
    let result = workspace + rowBlock * stride
    let rest = result + rowBlock * strip
    for first in Swift.stride(from: 0, to: rows, by: rowBlock) {
      let count = min(rowBlock, rows - first)
      for row in 0..<count {
        let source = a + (first + row) * aStride
        for i in Swift.stride(from: 0, to: b.depth, by: 8) { workspace.store(source.vector(i), row * stride + i) }
      }
      for column in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: strip) {
        let range = column..<min(columns.upperBound, column + strip)
        multiply(
          rows: count, columns: range, workspace, aStride: stride,
          PackedB(b.start, depth: b.depth, columns: b.columns), into: result, cStride: strip, accumulate: false,
          epilogue: nil, workspace: rest)
        let offset = first * cStride + column - columns.lowerBound
        write(
          result, stride: strip, rows: count, columns: range.count,
          epilogue?.advanced(columns: column - columns.lowerBound, elements: offset), to: c + offset, cStride)
      }
    }
  }

  package static func packRoundedRows(
    rows: Int, columns: Int, from source: Elements<BFloat16>, rowStride: Int, width: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    packRows(rows: rows, columns: columns, width: width, capacity: capacity, into: packed) { row, column, to in
      let from = source + (row * rowStride + column)
      for i in stride(from: 0, to: to.count, by: 8) { to.start.store(from.vector(i), i) }
    }
  }

  package static func multiplyTransposedRounded(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    multiplyTransposed(
      rows: rows, leftColumns: leftColumns, rightColumns: rightColumns, left: left, right: right, capacity: capacity,
      into: c, cStride: cStride)
  }
}
