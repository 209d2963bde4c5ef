import COpenBLAS
import Microkernels

/// GEMM by OpenBLAS, which has kernels for every processor. It packs by itself, so a "panel" here is a whole row-major
/// matrix.
extension Backend {
  /// Must be called once before the others: OpenBLAS then computes on the calling thread. `WorkerPool` has the threads.
  package static func prepare() { openblas_set_num_threads(1) }

  package static var tileRows: Int { 8 }

  /// The kernel that OpenBLAS chooses depends on the size of the product, and in some kernels (Haswell's) the order of
  /// additions depends on where in the result an element stands.
  package static var isBatchInvariant: Bool { false }

  package static var gemmWorkspaceCount: Int { 0 }

  package static func panelWidth(columns: Int) -> Int { columns.roundedUp(toMultipleOf: 8) }

  package static func packedCount(depth: Int, columns: Int) -> Int { depth * panelWidth(columns: columns) }

  package static func packedOffset(ofColumn column: Int, columns: Int, depth: Int) -> (offset: Int, rowStride: Int) {
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
    rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedB,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, epilogue: EpiloguePointers?,
    workspace: UnsafeMutablePointer<Float>
  ) {
    guard rows > 0, !columns.isEmpty else { return }
    forEachDepthBlock(b.depth) { first, count in
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns.count), blasint(count), 1,
        a + first, blasint(aStride), b.start + first * b.columns + columns.lowerBound, blasint(b.columns),
        accumulate || first > 0 ? 1 : 0, c, blasint(cStride))
    }
    if let epilogue { applyEpilogue(epilogue, to: c, rows: rows, columns: columns.count, stride: cStride) }
  }

  /// Calls `body` with blocks of the depth no longer than those of `BlockedGEMM`. OpenBLAS blocks a deep product too,
  /// but not if it is small: then each element is one chain of additions, with three times the rounding error at depth
  /// 2048.
  private static func forEachDepthBlock(_ depth: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    let block = 256
    var first = 0
    repeat {
      let rest = depth - first
      let count = rest < block + block / 2 ? rest : block
      body(first, count)
      first += count
    } while first < depth
  }

  package static var leftPanelWidth: Int { 64 }

  package static func rightPanelWidth(columns: Int) -> Int { columns.roundedUp(toMultipleOf: 8) }

  package static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    guard rows > 0, rightColumns > 0 else { return }
    let rightPanelWidth = rightPanelWidth(columns: rightColumns)
    forEachDepthBlock(rows) { first, count in
      for i in stride(from: 0, to: leftColumns, by: leftPanelWidth) {
        cblas_sgemm(
          CblasRowMajor, CblasTrans, CblasNoTrans, blasint(min(leftPanelWidth, leftColumns - i)), blasint(rightColumns),
          blasint(count), 1, left + i * capacity + first * leftPanelWidth, blasint(leftPanelWidth),
          right + first * rightPanelWidth, blasint(rightPanelWidth), 1, c + i * cStride, blasint(cStride))
      }
    }
  }
}
