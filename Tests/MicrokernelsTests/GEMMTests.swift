import Kernels
import Microkernels
import Tensors
import Testing

/// Tests every instruction set that this processor supports.
@Suite("GEMM of each instruction set")
struct GEMMTests {
  /// Sizes with whole and partial tiles, narrow last panels, several depth blocks, and rows 256 floats apart.
  private static let sizes: [(rows: Int, columns: Int, depth: Int, stride: Int)] = [
    (1, 8, 1, 8), (6, 16, 8, 8), (5, 24, 9, 16), (7, 19, 33, 40), (13, 33, 33, 40), (200, 40, 64, 64),
    (193, 48, 256, 256), (389, 136, 300, 304), (31, 64, 512, 512), (50, 17, 700, 768), (11, 9, 2048, 2048),
  ]

  @Test(
    "A product is the sum that defines it, with and without accumulation", arguments: InstructionSet.supported, sizes)
  func product(_ set: InstructionSet, _ size: (rows: Int, columns: Int, depth: Int, stride: Int)) {
    let (m, n, k, lda) = size
    let columns = n.roundedUp(toMultipleOf: 8)
    let cStride = columns + 8
    let a = Matrix("a", m, k, stride: lda)
    let b = Matrix("b", k, n, stride: n)
    let panels = packed(set.microkernels, b)
    let workspace = Buffer(count: set.microkernels.gemmWorkspaceCount)
    for accumulate in [false, true] {
      let c = Matrix("c", m, n, stride: cStride)
      let before = Matrix("c", m, n, stride: cStride)
      set.microkernels.multiply(
        rows: m, columns: 0..<columns, a.start, aStride: lda, PackedB(panels.start, depth: k, columns: columns),
        into: c.start, cStride: cStride, accumulate: accumulate, epilogue: nil, workspace: workspace.start)
      var worst = 0.0
      for i in 0..<m {
        for j in 0..<cStride {
          var expected = j >= columns || accumulate ? Double(before.start[i * cStride + j]) : 0
          // Padding columns become zero; the 8 floats after them are not written.
          if j < n { for t in 0..<k { expected += Double(a.start[i * lda + t]) * Double(b.start[t * n + j]) } }
          worst = max(worst, abs(Double(c.start[i * cStride + j]) - expected))
        }
      }
      #expect(worst < 1e-7 * Double(k) + 1e-6)
    }
  }

  @Test(
    "A range of columns gives its part of the product, with bias, residual and ReLU as epilogue",
    arguments: InstructionSet.supported)
  func rangeOfColumns(_ set: InstructionSet) {
    let (rows, columns, depth) = (20, 88, 30)
    let a = Matrix("a", rows, depth, stride: 32)
    let b = Matrix("b", depth, columns, stride: columns)
    let (bias, residual) = (Matrix("bias", 1, columns, stride: columns), Matrix("r", rows, columns, stride: columns))
    let panels = packed(set.microkernels, b)
    let workspace = Buffer(count: set.microkernels.gemmWorkspaceCount)
    let (whole, parts) = (Buffer(count: rows * columns), Buffer(count: rows * columns))
    func multiply(_ run: Range<Int>, into c: Buffer, _ epilogue: EpiloguePointers?) {
      set.microkernels.multiply(
        rows: rows, columns: run, a.start, aStride: 32, PackedB(panels.start, depth: depth, columns: columns),
        into: c.start + run.lowerBound, cStride: columns, accumulate: false, epilogue: epilogue,
        workspace: workspace.start)
    }
    multiply(0..<columns, into: whole, nil)
    for run in [32..<64, 64..<88, 0..<32] {
      multiply(
        run, into: parts,
        EpiloguePointers(
          bias: bias.start + run.lowerBound, residual: ElementPointer(residual.start + run.lowerBound), relu: true))
    }
    for i in 0..<rows * columns {
      let expected = max(0, whole.start[i] + bias.start[i % columns] + residual.start[i])
      // OpenBLAS may round a range of columns differently.
      #expect(abs(parts.start[i] - expected) <= (set == .plain ? 1e-5 : 0))
    }
  }

  @Test(
    "A transposed source packs to the same panels", arguments: InstructionSet.supported,
    [(9, 33), (64, 48), (5, 8), (100, 19)])
  func packsTransposed(_ set: InstructionSet, size: (Int, Int)) {
    let (depth, columns) = size
    let b = Matrix("b", depth, columns, stride: columns)
    let transposed = Matrix("b", columns, depth, stride: depth)
    for i in 0..<depth { for j in 0..<columns { transposed.start[j * depth + i] = b.start[i * columns + j] } }
    let straight = packed(set.microkernels, b)
    let transposedPacked = packed(
      set.microkernels, transposed, depth: depth, columns: columns, rowStride: 1, columnStride: depth)
    for i in 0..<straight.count { #expect(straight.start[i] == transposedPacked.start[i]) }
  }

  @Test(
    "The result of a row has the same bits wherever the row stands",
    arguments: InstructionSet.supported.filter { $0.microkernels.isBatchInvariant }, [64, 300, 512])
  func isBatchInvariant(_ set: InstructionSet, depth: Int) {
    let (rows, columns) = (200, 40)
    let a = Matrix("a", rows, depth, stride: depth)
    let panels = packed(set.microkernels, Matrix("b", depth, columns, stride: columns))
    let workspace = Buffer(count: set.microkernels.gemmWorkspaceCount)
    func product(of first: Int, _ count: Int) -> [Float] {
      let c = Buffer(count: count * columns)
      set.microkernels.multiply(
        rows: count, columns: 0..<columns, a.start + first * depth, aStride: depth,
        PackedB(panels.start, depth: depth, columns: columns), into: c.start, cStride: columns, accumulate: false,
        epilogue: nil, workspace: workspace.start)
      return Array(UnsafeBufferPointer(start: c.start, count: count * columns))
    }
    let whole = product(of: 0, rows)
    for first in [0, 1, 100, 191, 192, 199] {
      #expect(product(of: first, 1) == Array(whole[(first * columns)..<((first + 1) * columns)]))
    }
  }

  @Test(
    "A transposed product is the sum that defines it, added to C", arguments: InstructionSet.supported,
    [(1, 8, 8), (100, 40, 24), (256, 64, 48), (700, 136, 72), (383, 8, 264), (640, 264, 16)])
  func transposed(_ set: InstructionSet, size: (rows: Int, left: Int, right: Int)) {
    let (rows, left, right) = size
    let microkernels = set.microkernels
    let (a, other) = (Matrix("a", rows, left, stride: left), Matrix("other", rows, left, stride: left))
    let b = Matrix("b", rows, right, stride: right)
    let (leftPanelWidth, rightPanelWidth) = (microkernels.leftPanelWidth, microkernels.rightPanelWidth(columns: right))
    let cStride = right.roundedUp(toMultipleOf: rightPanelWidth)
    let cRows = left.roundedUp(toMultipleOf: leftPanelWidth)
    let c = Matrix("c", cRows, cStride, stride: cStride)
    let before = Matrix("c", cRows, cStride, stride: cStride)

    let capacity = rows + 3
    let packedLeft = Buffer(count: capacity * cRows)
    let packedRight = Buffer(count: capacity * cStride)
    microkernels.packRows(
      rows: rows, columns: left, from: a.start, plus: -1, times: other.start, rowStride: left, width: leftPanelWidth,
      capacity: capacity, into: packedLeft.start)
    microkernels.packRows(
      rows: rows, columns: right, from: b.start, plus: 0, times: nil, rowStride: right, width: rightPanelWidth,
      capacity: capacity, into: packedRight.start)
    microkernels.multiplyTransposed(
      rows: rows, leftColumns: left, rightColumns: right, left: packedLeft.start, right: packedRight.start,
      capacity: capacity, into: c.start, cStride: cStride)

    var worst = 0.0
    for i in 0..<left {
      for j in 0..<cStride {
        var expected = Double(before.start[i * cStride + j])
        if j < right {
          for row in 0..<rows {
            expected +=
              Double(a.start[row * left + i] - other.start[row * left + i]) * Double(b.start[row * right + j])
          }
        }
        worst = max(worst, abs(Double(c.start[i * cStride + j]) - expected))
      }
    }
    #expect(worst < 2e-7 * Double(rows) + 2e-6)
  }

  private func packed(
    _ microkernels: any MicrokernelSet.Type, _ b: Matrix, depth: Int? = nil, columns: Int? = nil, rowStride: Int? = nil,
    columnStride: Int = 1
  ) -> Buffer {
    let (depth, columns) = (depth ?? b.rows, columns ?? b.columns)
    let buffer = Buffer(count: microkernels.packedCount(depth: depth, columns: columns))
    buffer.clear()
    let width = microkernels.panelWidth(columns: columns)
    for panel in 0..<columns.dividedRoundingUp(by: width) {
      microkernels.pack(
        panel: panel, depth: depth, columns: columns, from: b.start, rowStride: rowStride ?? b.stride,
        columnStride: columnStride, into: buffer.start)
    }
    return buffer
  }
}

/// Rows of random values in [−1, 1), as they are, rounded to bfloat16, or integers from −3 to 3, `stride` floats apart, the floats between them zero.
struct Matrix {
  enum Values {
    case random
    case rounded
    case integers
  }

  let rows: Int
  let columns: Int
  let stride: Int
  private let buffer: Buffer

  var start: UnsafeMutablePointer<Float> { buffer.start }

  init(_ name: String, _ rows: Int, _ columns: Int, stride: Int, _ values: Values = .random) {
    (self.rows, self.columns, self.stride) = (rows, columns, stride)
    buffer = Buffer(count: rows * stride)
    buffer.clear()
    var random = RandomNumbers(named: name)
    for i in 0..<rows {
      for j in 0..<columns {
        let value = random.uniform(in: -1..<1)
        buffer.start[i * stride + j] =
          switch values {
          case .random: Float(value)
          case .rounded: Float(BFloat16(Float(value)))
          case .integers: Float((3 * value).rounded())
          }
      }
    }
  }
}
