import CIntrinsics
import Microkernels

/// GEMM of bfloat16 numbers with the instruction of AVX512-BF16. Operands are packed in pairs of depth, one pair a lane
/// of 32 bits; A lies in pairs as it is, since its rows are contiguous.
///
/// All of the depth is summed in single precision before the result is rounded: for one panel of B, the tiles of a block
/// of rows are summed in a scratch that stays in the L1 cache.
extension Backend {
  private typealias PairMicrokernel = GEMMMicrokernel12x32<BFloat16Arithmetic>

  private static let lanes = NativeVector.scalarCount
  private static let twoVectors = 2 * NativeVector.scalarCount

  /// Rows of A that stay in the L2 cache; a multiple of the rows of a tile.
  private static func rowBlock(depth: Int) -> Int { depth > 1024 ? 96 : 192 }

  /// Pairs of depth whose panel of B stays in the L1 cache; the last block may be up to half as long again.
  private static let pairBlock = 256

  private static func pairs(_ depth: Int) -> Int { (depth + 1) / 2 }

  /// Lanes between the rows of the copy of a block of A, so that they are not a multiple of a cache way apart.
  private static func copyStride(_ depth: Int) -> Int { pairs(depth).roundedUp(toMultipleOf: lanes) + lanes }

  @inline(__always)
  private static func width(_ rest: Int) -> Int { rest > lanes ? twoVectors : lanes }

  package static func roundedCount(depth: Int, columns: Int) -> Int {
    pairs(depth) * columns.roundedUp(toMultipleOf: lanes)
  }

  package static func roundedWorkspaceCount(depth: Int) -> Int {
    rowBlock(depth: depth) * (copyStride(depth) + twoVectors) + lanes
  }

  package static func packRounded(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let first = panel * twoVectors
    let width = width(columns - first)
    let filled = min(width, columns - first)
    let target = words(packed) + first * pairs(depth)
    let corner = source + first * columnStride
    if columnStride == 1 && filled == width {
      for pair in 0..<pairs(depth) {
        let (upper, lower) = (corner + 2 * pair * rowStride, corner + (2 * pair + 1) * rowStride)
        let hasLower = 2 * pair + 1 < depth
        for j in stride(from: 0, to: width, by: lanes) {
          let value = rounded_pairs_16(upper.load(j), hasLower ? lower.load(j) : NativeVector())
          UnsafeMutableRawPointer(target + pair * width + j).storeBytes(of: value, as: SIMD16<UInt32>.self)
        }
      }
      return
    }
    for j in 0..<filled {
      let column = corner + j * columnStride
      for pair in 0..<pairs(depth) {
        let upper = BFloat16(column[2 * pair * rowStride])
        let lower = 2 * pair + 1 < depth ? BFloat16(column[(2 * pair + 1) * rowStride]).bitPattern : 0
        target[pair * width + j] = UInt32(upper.bitPattern) | UInt32(lower) << 16
      }
    }
    for j in filled..<width {
      for pair in 0..<pairs(depth) { target[pair * width + j] = 0 }
    }
  }

  @inline(__always)
  private static func words(_ floats: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<UInt32> {
    UnsafeMutableRawPointer(floats).assumingMemoryBound(to: UInt32.self)
  }

  @inline(__always)
  private static func words(_ floats: UnsafePointer<Float>) -> UnsafePointer<UInt32> {
    UnsafeRawPointer(floats).assumingMemoryBound(to: UInt32.self)
  }

  package static func multiplyRounded(
    rows: Int, columns: Range<Int>, _ a: Elements<BFloat16>, aStride: Int, _ b: RoundedB, into c: ElementPointer,
    cStride: Int, epilogue: EpiloguePointers?, workspace: UnsafeMutablePointer<Float>
  ) {
    let rowBlock = rowBlock(depth: b.depth)
    for first in stride(from: 0, to: rows, by: rowBlock) {
      multiplyBlock(
        rows: min(rowBlock, rows - first), columns, a + first * aStride, aStride, b, c + first * cStride, cStride,
        epilogue?.advanced(columns: 0, elements: first * cStride), workspace)
    }
  }

  /// One block of A, small enough for the L2 cache, times all panels.
  private static func multiplyBlock(
    rows: Int, _ columns: Range<Int>, _ source: Elements<BFloat16>, _ sourceStride: Int, _ b: RoundedB,
    _ c: ElementPointer, _ cStride: Int, _ epilogue: EpiloguePointers?, _ workspace: UnsafeMutablePointer<Float>
  ) {
    let depth = pairs(b.depth)
    let tileRows = PairMicrokernel.rows
    let wholeRows = rows / tileRows * tileRows
    let copyStride = copyStride(b.depth)
    let scratch = workspace
    let copy = words(workspace) + rowBlock(depth: b.depth) * twoVectors
    // Rows a multiple of 1024 bytes apart would map to a few cache sets.
    let copiesAll = sourceStride % 512 == 0
    // The last few rows are multiplied as a whole tile of the copy; its missing rows have arbitrary contents.
    let firstCopied = copiesAll ? 0 : wholeRows
    for row in firstCopied..<rows {
      let (from, to) = (source + row * sourceStride, copy + (row - firstCopied) * copyStride)
      for i in stride(from: 0, to: depth, by: 4) {
        let four = UnsafeRawPointer(from.address + 4 * i).loadUnaligned(as: SIMD4<UInt32>.self)
        UnsafeMutableRawPointer(to + i).storeBytes(of: four, as: SIMD4<UInt32>.self)
      }
    }
    let a =
      copiesAll
      ? UnsafePointer(copy) : UnsafePointer(source.address.assumingMemoryBound(to: UInt32.self))
    let aStride = copiesAll ? copyStride : sourceStride / 2
    let lastRows = UnsafePointer(copy) + (wholeRows - firstCopied) * copyStride

    for j in stride(from: columns.lowerBound, to: columns.upperBound, by: twoVectors) {
      let width = width(b.columns - j)
      let panel = words(b.start) + j * depth
      var first = 0
      while first < depth {
        let rest = depth - first
        let block = rest < pairBlock + pairBlock / 2 ? rest : pairBlock
        for i in stride(from: 0, to: rows, by: tileRows) {
          let inside = i < wholeRows
          let left = (inside ? a + i * aStride : lastRows) + first
          let leftStride = inside ? aStride : copyStride
          let (right, target) = (panel + first * width, scratch + i * width)
          if width == twoVectors {
            PairMicrokernel.multiplyTwo(block, left, leftStride, right, target, width, first > 0)
          } else {
            PairMicrokernel.multiplyOne(block, left, leftStride, right, target, width, first > 0)
          }
        }
        first += block
      }
      let offset = j - columns.lowerBound
      let filled = min(width, columns.upperBound - j)
      let epilogue = epilogue?.advanced(columns: offset, elements: offset)
      if case .bfloat16 = c.precision, epilogue == nil, filled % lanes == 0 {
        let target: Elements<BFloat16> = (c + offset).elements()
        for row in 0..<rows {
          for column in stride(from: 0, to: filled, by: lanes) {
            store_bfloat16_flushing_16(
              target.address + 2 * (row * cStride + column), scratch.load(row * width + column) as NativeVector)
          }
        }
      } else {
        write(scratch, stride: width, rows: rows, columns: filled, epilogue, to: c + offset, cStride)
      }
    }
  }

  // MARK: - The transposed product

  package static func packRoundedRows(
    rows: Int, columns: Int, from source: Elements<BFloat16>, rowStride: Int, width: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let packed = words(packed)
    let last = columns / width * width
    // An odd last row is paired with zeros.
    let zeros: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafePointer(to: zeros) { zeros in
      for pair in 0..<pairs(rows) {
        let upper = source + 2 * pair * rowStride
        let hasLower = 2 * pair + 1 < rows
        for column in stride(from: 0, to: last, by: width) {
          let to = packed + column * (capacity / 2) + pair * width
          for i in stride(from: 0, to: width, by: lanes) {
            let first = upper + (column + i)
            let second = hasLower ? UnsafeRawPointer((first + rowStride).address) : UnsafeRawPointer(zeros)
            UnsafeMutableRawPointer(to + i).storeBytes(
              of: load_pairs_16(first.address, second), as: SIMD16<UInt32>.self)
          }
        }
        guard last < columns else { continue }
        let to = packed + last * (capacity / 2) + pair * width
        for i in stride(from: 0, to: width, by: 8) {
          let first = upper + (last + i)
          var value = SIMD8<UInt32>()
          if last + i < columns {
            let second = hasLower ? UnsafeRawPointer((first + rowStride).address) : UnsafeRawPointer(zeros)
            value = load_pairs_8(first.address, second)
          }
          UnsafeMutableRawPointer(to + i).storeBytes(of: value, as: SIMD8<UInt32>.self)
        }
      }
    }
  }

  package static func multiplyTransposedRounded(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    let (left, right) = (words(left), words(right))
    /// Columns of A whose panels stay in the L2 cache.
    let leftBlock = 128
    let width = rightPanelWidth(columns: rightColumns)
    let (depth, capacity) = (pairs(rows), capacity / 2)
    var first = 0
    while first < depth {
      let rest = depth - first
      let block = rest < pairBlock + pairBlock / 2 ? rest : pairBlock
      for firstLeft in stride(from: 0, to: leftColumns, by: leftBlock) {
        let endLeft = min(leftColumns, firstLeft + leftBlock)
        for j in stride(from: 0, to: rightColumns, by: width) {
          let b = right + j * capacity + first * width
          for i in stride(from: firstLeft, to: endLeft, by: PairMicrokernel.leftColumns) {
            let place = i % leftPanelWidth
            let a = left + (i - place) * capacity + first * leftPanelWidth + place
            let target = c + i * cStride + j
            if width == twoVectors {
              PairMicrokernel.multiplyTransposedTwo(block, a, b, target, cStride)
            } else {
              PairMicrokernel.multiplyTransposedOne(block, a, b, target, cStride)
            }
          }
        }
      }
      first += block
    }
  }
}
