import Microkernels
import Tensors

/// GEMM: products of matrices of floats, or of bfloat16 numbers summed as floats ("rounded"), on one thread; kernels call
/// it from their tasks.
///
/// `C = A · B` reads A and C row by row as they lie in tensors, and packed B. `C += Aᵀ · B`, the gradient of weights,
/// reads both from panels of a few hundred rows. The order of additions in an element of C depends on the depth alone,
/// not on the number of rows or on where a row stands: the product is batch-invariant. OpenBLAS (the plain instruction
/// set) is not; with it, kernels multiply one image per call (`imagesPerCall`).
struct MatrixProduct {
  private let microkernels: any MicrokernelSet.Type

  init(on workers: WorkerPool) { microkernels = workers.microkernels }

  /// A good number of rows for a task of `multiply`.
  static let rowBlock = 192

  /// How many of `images` one call of `multiply` may span without changing a bit: all, or one if the backend is not
  /// batch-invariant.
  func imagesPerCall(_ images: Int) -> Int { microkernels.isBatchInvariant ? images : 1 }

  /// Floats of workspace that `multiply` needs.
  var workspaceCount: Int { microkernels.gemmWorkspaceCount }

  /// Rounds rows up to whole tiles, so that a block of them wastes nothing.
  func roundedUpToTiles(_ rows: Int) -> Int { rows.roundedUp(toMultipleOf: microkernels.tileRows) }

  /// `C[rows, columns] = A[rows, depth] · B[depth, columns]`, or `C +=` with `accumulate`.
  ///
  /// - Parameters:
  ///   - columns: columns of B, from a multiple of `PackedBStorage.grain` to another or to the end; nil for all.
  ///   - aStride: floats from row to row of A; up to 7 floats past the end of a row are read.
  ///   - c: the first row and the first of `columns`; `cStride` floats from row to row.
  ///   - epilogue: applied to the result; bias and residual from the first of `columns` on.
  ///   - workspace: `workspaceCount` floats of this thread.
  @inline(__always)
  func multiply(
    rows: Int, columns: Range<Int>? = nil, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedB,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool = false, epilogue: EpiloguePointers? = nil,
    workspace: UnsafeMutablePointer<Float>
  ) {
    microkernels.multiply(
      rows: rows, columns: columns ?? 0..<b.columns, a, aStride: aStride, b, into: c, cStride: cStride,
      accumulate: accumulate, epilogue: epilogue, workspace: workspace)
  }

  // MARK: - The transposed product

  /// Columns of A (rows of C) rounded up to whole panels.
  func paddedLeft(_ columns: Int) -> Int { columns.roundedUp(toMultipleOf: microkernels.leftPanelWidth) }

  /// Columns of B (columns of C) rounded up to whole panels.
  func paddedRight(_ columns: Int) -> Int {
    columns.roundedUp(toMultipleOf: microkernels.rightPanelWidth(columns: columns))
  }

  /// Packs `rows` rows of A with `columns` columns, a multiple of 8. If `other` is not nil, A is
  /// `source + sign · other`.
  func packLeft(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float = 0,
    times other: UnsafePointer<Float>? = nil, rowStride: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    microkernels.packRows(
      rows: rows, columns: columns, from: source, plus: sign, times: other, rowStride: rowStride,
      width: microkernels.leftPanelWidth, capacity: capacity, into: packed)
  }

  /// Packs `rows` rows of B with `columns` columns, a multiple of 8, padding the last panel with zeros. If `other` is
  /// not nil, B is `source + sign · other`.
  func packRight(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float = 0,
    times other: UnsafePointer<Float>? = nil, rowStride: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    microkernels.packRows(
      rows: rows, columns: columns, from: source, plus: sign, times: other, rowStride: rowStride,
      width: microkernels.rightPanelWidth(columns: columns), capacity: capacity, into: packed)
  }

  /// `C[leftColumns, rightColumns] += Aᵀ · B` over `rows` packed rows.
  ///
  /// Writes whole panels: C needs room for `paddedLeft(leftColumns)` rows of `paddedRight(rightColumns)` columns.
  ///
  /// - Parameters:
  ///   - capacity: rows that each panel has room for.
  ///   - cStride: floats from row to row of C.
  @inline(__always)
  func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    microkernels.multiplyTransposed(
      rows: rows, leftColumns: leftColumns, rightColumns: rightColumns, left: left, right: right, capacity: capacity,
      into: c, cStride: cStride)
  }
}

/// Products of bfloat16 numbers.
extension MatrixProduct {
  /// Floats of workspace that `multiplyRounded` needs.
  func roundedWorkspaceCount(depth: Int) -> Int { microkernels.roundedWorkspaceCount(depth: depth) }

  /// `C[rows, columns] = A[rows, depth] · B[depth, columns]`; as `multiply`.
  @inline(__always)
  func multiplyRounded(
    rows: Int, columns: Range<Int>, _ a: ElementPointer, aStride: Int, _ b: RoundedB, into c: ElementPointer,
    cStride: Int, epilogue: EpiloguePointers? = nil, workspace: UnsafeMutablePointer<Float>
  ) {
    microkernels.multiplyRounded(
      rows: rows, columns: columns, a.elements(), aStride: aStride, b, into: c, cStride: cStride, epilogue: epilogue,
      workspace: workspace)
  }

  /// Packs `rows` rows of A in either precision, bfloat16 ones for `multiplyTransposedRounded`; the capacity is even.
  func packLeft(
    rows: Int, columns: Int, from source: ElementPointer, rowStride: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    pack(rows, columns, source, rowStride, width: microkernels.leftPanelWidth, capacity, packed)
  }

  /// Packs `rows` rows of B; as `packLeft`.
  func packRight(
    rows: Int, columns: Int, from source: ElementPointer, rowStride: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    pack(rows, columns, source, rowStride, width: microkernels.rightPanelWidth(columns: columns), capacity, packed)
  }

  private func pack(
    _ rows: Int, _ columns: Int, _ source: ElementPointer, _ rowStride: Int, width: Int, _ capacity: Int,
    _ packed: UnsafeMutablePointer<Float>
  ) {
    switch source.precision {
    case .float32:
      microkernels.packRows(
        rows: rows, columns: columns, from: source.floats, plus: 0, times: nil, rowStride: rowStride, width: width,
        capacity: capacity, into: packed)
    case .bfloat16:
      microkernels.packRoundedRows(
        rows: rows, columns: columns, from: source.elements(), rowStride: rowStride, width: width, capacity: capacity,
        into: packed)
    }
  }

  /// `C[leftColumns, rightColumns] += Aᵀ · B` over `rows` packed rows; as `multiplyTransposed`.
  @inline(__always)
  func multiplyTransposedRounded(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    microkernels.multiplyTransposedRounded(
      rows: rows, leftColumns: leftColumns, rightColumns: rightColumns, left: left, right: right, capacity: capacity,
      into: c, cStride: cStride)
  }
}

/// Rounds and packs the right matrix of a bfloat16 product and owns its memory.
struct RoundedBStorage {
  let matrix: RoundedB
  private let buffer: Buffer

  /// As `PackedBStorage` does.
  init(
    depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    on workers: WorkerPool
  ) {
    let microkernels = workers.microkernels
    let buffer = Buffer(count: microkernels.roundedCount(depth: depth, columns: columns))
    let width = microkernels.panelWidth(columns: columns)
    workers.parallelFor(columns.dividedRoundingUp(by: width)) { panel, _ in
      microkernels.packRounded(
        panel: panel, depth: depth, columns: columns, from: source, rowStride: rowStride, columnStride: columnStride,
        into: buffer.start)
    }
    self.buffer = buffer
    matrix = RoundedB(buffer.start, depth: depth, columns: columns.roundedUp(toMultipleOf: 8))
  }
}

/// Packs the right matrix of a product and owns its memory.
struct PackedBStorage {
  let matrix: PackedB
  private let buffer: Buffer

  /// Columns that every panel width of every instruction set divides.
  static let grain = 32

  /// Packs the `depth` × `columns` matrix whose element (i, j) is `source[i * rowStride + j * columnStride]`; row-major
  /// matrices have `columnStride` 1, transposed ones `rowStride` 1. Columns are padded with zeros to whole vectors.
  init(
    depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    on workers: WorkerPool
  ) {
    let microkernels = workers.microkernels
    let buffer = Buffer(count: microkernels.packedCount(depth: depth, columns: columns))
    let width = microkernels.panelWidth(columns: columns)
    workers.parallelFor(columns.dividedRoundingUp(by: width)) { panel, _ in
      microkernels.pack(
        panel: panel, depth: depth, columns: columns, from: source, rowStride: rowStride, columnStride: columnStride,
        into: buffer.start)
    }
    self.buffer = buffer
    matrix = PackedB(buffer.start, depth: depth, columns: columns.roundedUp(toMultipleOf: 8))
  }
}
