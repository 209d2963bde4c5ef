import COpenBLAS
import Tensors
import Testing

@Suite("Matrix products")
struct MatrixProductTests {
  /// Rows of `columns` random values in [−1, 1), `stride` floats apart, the floats between them zero.
  private static func matrix(_ name: String, _ rows: Int, _ columns: Int, stride: Int) -> Buffer {
    var random = RandomNumbers(named: name)
    let buffer = Buffer(count: rows * stride)
    buffer.clear()
    for i in 0..<rows {
      for j in 0..<columns { buffer.start[i * stride + j] = Float(random.symmetric()) }
    }
    return buffer
  }

  private static func packed(_ b: Buffer, depth: Int, columns: Int, rowStride: Int, columnStride: Int = 1) -> Buffer {
    let panels = Buffer(count: MatrixProduct.packedCount(depth: depth, columns: columns))
    MatrixProduct.pack(
      depth: depth, columns: columns, from: b.start, rowStride: rowStride, columnStride: columnStride,
      into: panels.start)
    return panels
  }

  /// Sizes with whole tiles and tails of each kind, narrow last panels, several blocks of depth, and rows 256 floats apart.
  private static let sizes: [(rows: Int, columns: Int, depth: Int, stride: Int)] = [
    (1, 8, 1, 8), (6, 16, 8, 8), (5, 24, 9, 16), (7, 19, 33, 40), (13, 33, 33, 40), (200, 40, 64, 64),
    (193, 48, 256, 256), (389, 136, 300, 304), (31, 64, 512, 512), (50, 17, 700, 768), (11, 9, 2048, 2048),
  ]

  @Test("A product agrees with OpenBLAS, added to C or not", arguments: sizes, [false, true])
  func agreesWithBLAS(_ size: (rows: Int, columns: Int, depth: Int, stride: Int), accumulate: Bool) {
    let (m, n, k, lda) = size
    let cStride = MatrixProduct.paddedColumns(n) + 8
    let a = Self.matrix("a", m, k, stride: lda)
    let b = Self.matrix("b", k, n, stride: n)
    let c = Self.matrix("c", m, n, stride: cStride)
    let expected = Self.matrix("c", m, n, stride: cStride)
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(m), Int32(n), Int32(k), 1, a.start, Int32(lda), b.start,
      Int32(n), accumulate ? 1 : 0, expected.start, Int32(cStride))

    let panels = Self.packed(b, depth: k, columns: n, rowStride: n)
    let scratch = Buffer(count: MatrixProduct.scratchCount)
    MatrixProduct.multiply(
      rows: m, columns: MatrixProduct.paddedColumns(n), depth: k, a.start, aStride: lda, panels: panels.start,
      into: c.start, cStride: cStride, accumulate: accumulate, scratch: scratch.start)

    // Both sides round; partial sums grow as the root of the depth, and so does the number of roundings that count.
    let tolerance = 1e-7 * Float(k) + 1e-6
    var worst: Float = 0
    // Everything in C counts: the columns of the padding are to be zero, the 8 floats behind them untouched.
    for i in 0..<m * cStride { worst = max(worst, abs(c.start[i] - expected.start[i])) }
    #expect(worst < tolerance)
  }

  @Test("A transposed source packs to the same panels", arguments: [(9, 33), (64, 48), (5, 8), (100, 19)])
  func packsTransposed(depth: Int, columns: Int) {
    let b = Self.matrix("b", depth, columns, stride: columns)
    let transposed = Buffer(count: depth * columns)
    for i in 0..<depth {
      for j in 0..<columns { transposed.start[j * depth + i] = b.start[i * columns + j] }
    }
    let straight = Self.packed(b, depth: depth, columns: columns, rowStride: columns)
    let turned = Self.packed(transposed, depth: depth, columns: columns, rowStride: 1, columnStride: depth)
    for i in 0..<straight.count { #expect(straight.start[i] == turned.start[i]) }
  }

  @Test("A row's result has the same bits wherever the row stands", arguments: [64, 300, 512])
  func rowsDoNotKnowTheirPlace(depth: Int) {
    let rows = 200
    let columns = 40
    let a = Self.matrix("a", rows, depth, stride: depth)
    let panels = Self.packed(
      Self.matrix("b", depth, columns, stride: columns), depth: depth, columns: columns, rowStride: columns)
    let scratch = Buffer(count: MatrixProduct.scratchCount)
    func product(of first: Int, _ count: Int) -> [Float] {
      let c = Buffer(count: count * columns)
      MatrixProduct.multiply(
        rows: count, columns: columns, depth: depth, a.start + first * depth, aStride: depth, panels: panels.start,
        into: c.start, cStride: columns, scratch: scratch.start)
      return Array(UnsafeBufferPointer(start: c.start, count: count * columns))
    }
    let whole = product(of: 0, rows)
    for first in [0, 1, 100, 191, 192, 199] {
      #expect(product(of: first, 1) == Array(whole[(first * columns)..<((first + 1) * columns)]))
    }
  }

  @Test("A run of panels gives its columns of the product")
  func multipliesRunOfPanels() {
    let (rows, columns, depth) = (20, 56, 30)
    let a = Self.matrix("a", rows, depth, stride: 32)
    let panels = Self.packed(
      Self.matrix("b", depth, columns, stride: columns), depth: depth, columns: columns, rowStride: columns)
    let scratch = Buffer(count: MatrixProduct.scratchCount)
    let whole = Buffer(count: rows * columns)
    let parts = Buffer(count: rows * columns)
    func multiply(_ first: Int, _ count: Int, into c: Buffer) {
      MatrixProduct.multiply(
        rows: rows, columns: count, depth: depth, a.start, aStride: 32, panels: panels.start + first * depth,
        into: c.start + first, cStride: columns, scratch: scratch.start)
    }
    multiply(0, columns, into: whole)
    multiply(32, 24, into: parts)
    multiply(0, 32, into: parts)
    for i in 0..<rows * columns { #expect(whole.start[i] == parts.start[i]) }
  }

  @Test(
    "A transposed product agrees with OpenBLAS and adds to C",
    arguments: [(1, 8, 8), (100, 40, 24), (256, 64, 48), (700, 136, 72), (383, 8, 264), (640, 264, 16)])
  func transposedAgreesWithBLAS(rows: Int, left: Int, right: Int) {
    let a = Self.matrix("a", rows, left, stride: left)
    let b = Self.matrix("b", rows, right, stride: right)
    let cStride = MatrixProduct.paddedRight(right)
    let c = Self.matrix("c", left, right, stride: cStride)
    let expected = Self.matrix("c", left, right, stride: cStride)
    cblas_sgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, Int32(left), Int32(right), Int32(rows), 1, a.start, Int32(left),
      b.start, Int32(right), 1, expected.start, Int32(cStride))

    let capacity = rows + 3
    let packedLeft = Buffer(count: capacity * MatrixProduct.paddedLeft(left))
    let packedRight = Buffer(count: capacity * MatrixProduct.paddedRight(right))
    MatrixProduct.packLeft(
      rows: rows, columns: left, from: a.start, rowStride: left, capacity: capacity, into: packedLeft.start)
    MatrixProduct.packRight(
      rows: rows, columns: right, from: b.start, rowStride: right, capacity: capacity, into: packedRight.start)
    MatrixProduct.multiplyTransposed(
      rows: rows, leftColumns: left, rightColumns: right, left: packedLeft.start, right: packedRight.start,
      capacity: capacity, into: c.start, cStride: cStride)

    let tolerance = 1e-7 * Float(rows) + 1e-6
    var worst: Float = 0
    for i in 0..<left * cStride { worst = max(worst, abs(c.start[i] - expected.start[i])) }
    #expect(worst < tolerance)
  }
}
