import Microkernels
import Tensors

/// Products of single-precision matrices, on one thread; kernels call them from their tasks.
///
/// `C = A · B` reads A and C row by row as they lie in tensors, and B from `PackedBStorage`. `C += Aᵀ · B`, which gradients of
/// weights are, reads both from panels of a few hundred rows at a time. The order of additions in an element of C
/// depends on the depth alone: not on the number of rows, nor on where in the matrix a row stands. OpenBLAS promises no
/// such thing: where it multiplies, kernels cut rows in a way that the size of one image decides (`together`).
package enum MatrixProduct {
  /// A good number of rows for a task of `multiply`.
  package static let rowBlock = 192

  /// How many of `images` may be cut into products as if they were one: all of them where a row has the same bits
  /// in any product, otherwise a single one.
  package static func together(_ images: Int) -> Int { microkernels.roundsByPlace ? 1 : images }

  /// Floats that `multiply` needs as workspace.
  package static var workspaceCount: Int { microkernels.gemmWorkspaceCount }

  /// Rounds rows up to whole tiles, so that a block of them wastes nothing.
  package static func roundedUpToTiles(_ rows: Int) -> Int { (rows + microkernels.tileRows - 1) / microkernels.tileRows * microkernels.tileRows }

  /// `C[rows, columns] = A[rows, depth] · B[depth, columns]`, plus what C held where `accumulate` says so.
  ///
  /// - Parameters:
  ///   - columns: which of B's, from a multiple of `PackedBStorage.grain` to another or to the end; nil for all.
  ///   - aStride: floats from row to row of A; up to 7 floats behind a row are read.
  ///   - c: the first row and the first of `columns`; `cStride` floats from row to row.
  ///   - epilogue: what is done to the result afterwards; bias and residual from the first of `columns` on.
  ///   - workspace: `workspaceCount` floats of this thread's own.
  @inline(__always)
  package static func multiply(
    rows: Int, columns: Range<Int>? = nil, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedB,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool = false, epilogue: EpiloguePointers? = nil,
    workspace: UnsafeMutablePointer<Float>
  ) {
    microkernels.multiply(
      rows: rows, columns: columns ?? 0..<b.columns, a, aStride: aStride, b, into: c, cStride: cStride,
      accumulate: accumulate, epilogue: epilogue, workspace: workspace)
  }

  // MARK: - The transposed product

  /// Columns of A (rows of C) in whole panels.
  package static func paddedLeft(_ columns: Int) -> Int {
    (columns + microkernels.leftPanelWidth - 1) / microkernels.leftPanelWidth * microkernels.leftPanelWidth
  }

  /// Columns of B (columns of C) in whole panels.
  package static func paddedRight(_ columns: Int) -> Int {
    let width = microkernels.rightPanelWidth(columns: columns)
    return (columns + width - 1) / width * width
  }

  /// Packs `rows` rows of A: `columns`, a multiple of 8; where `other` is given, A is `source + sign · other`.
  package static func packLeft(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float = 0,
    times other: UnsafePointer<Float>? = nil, rowStride: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    microkernels.packRows(
      rows: rows, columns: columns, from: source, plus: sign, times: other, rowStride: rowStride,
      width: microkernels.leftPanelWidth, capacity: capacity, into: packed)
  }

  /// Packs `rows` rows of B: `columns`, a multiple of 8; what is missing of the last panel becomes zero. Where `other` is
  /// given, B is `source + sign · other`.
  package static func packRight(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float = 0,
    times other: UnsafePointer<Float>? = nil, rowStride: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    microkernels.packRows(
      rows: rows, columns: columns, from: source, plus: sign, times: other, rowStride: rowStride,
      width: microkernels.rightPanelWidth(columns: columns), capacity: capacity, into: packed)
  }

  /// `C[leftColumns, rightColumns] += Aᵀ · B` over `rows` packed rows.
  ///
  /// Columns are rounded up to whole panels and that much of C is written: C needs room for it.
  ///
  /// - Parameters:
  ///   - capacity: rows that each panel has room for.
  ///   - cStride: floats from row to row of C, at least `paddedRight(rightColumns)`.
  @inline(__always)
  package static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    microkernels.multiplyTransposed(
      rows: rows, leftColumns: leftColumns, rightColumns: rightColumns, left: left, right: right, capacity: capacity,
      into: c, cStride: cStride)
  }
}

/// The right matrix of a product, in the order in which the product reads it.
package struct PackedBStorage {
  package let matrix: PackedB
  private let buffer: Buffer

  /// Columns that a panel of any instruction set is a divisor of.
  package static let grain = 32

  /// Packs the `depth` × `columns` matrix whose element (i, j) is `source[i * rowStride + j * columnStride]`; row-major
  /// matrices have `columnStride` 1, transposed ones `rowStride` 1. Columns are filled up with zeros to whole vectors.
  package init(
    depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    on workers: WorkerPool
  ) {
    let buffer = Buffer(count: microkernels.packedCount(depth: depth, columns: columns))
    let width = microkernels.panelWidth(columns: columns)
    workers.parallelFor((columns + width - 1) / width) { panel, _ in
      microkernels.pack(
        panel: panel, depth: depth, columns: columns, from: source, rowStride: rowStride, columnStride: columnStride,
        into: buffer.start)
    }
    self.buffer = buffer
    matrix = PackedB(buffer.start, depth: depth, columns: (columns + 7) & ~7)
  }
}
