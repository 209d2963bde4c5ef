import Kernels
import Microkernels
import Tensors
import Testing

@Suite("bfloat16 numbers")
struct BFloat16Tests {
  @Test("A float is rounded to the nearest bfloat16 number, ties to even; NaN stays NaN")
  func rounding() {
    func bits(_ value: Float) -> UInt16 { BFloat16(value).bitPattern }
    #expect(bits(1) == 0x3F80)
    #expect(bits(-0.0) == 0x8000)
    // Halfway between 0x3F80 and 0x3F81, and between 0x3F81 and 0x3F82.
    #expect(bits(Float(bitPattern: 0x3F80_8000)) == 0x3F80)
    #expect(bits(Float(bitPattern: 0x3F81_8000)) == 0x3F82)
    #expect(bits(Float(bitPattern: 0x3F80_8001)) == 0x3F81)
    #expect(bits(.greatestFiniteMagnitude) == 0x7F80)
    #expect(bits(-.infinity) == 0xFF80)
    #expect(bits(Float(bitPattern: 1)) == 0)
    // A payload in the lower half only must not become infinity.
    #expect(Float(BFloat16(Float(bitPattern: 0x7F80_0001))).isNaN)
    #expect(Float(BFloat16(Float(bitPattern: 0xFFFF_FFFF))).isNaN)
  }

  @Test("Vectors are rounded like single numbers and read back exactly")
  func vectors() {
    var random = RandomNumbers(named: "vectors")
    let special: [Float] = [.nan, .infinity, -.infinity, 0, -0.0, Float(bitPattern: 1), .greatestFiniteMagnitude, 1]
    let memory = Buffer(count: 16)
    let target: Elements<BFloat16> = ElementPointer(UnsafeMutableRawPointer(memory.start), .bfloat16).elements()
    for trial in 0..<100 {
      var value = Vector()
      for lane in 0..<8 { value[lane] = trial == 0 ? special[lane] : Float(random.uniform(in: -1000..<1000)) }
      target.store(value)
      let stored = target.vector()
      for lane in 0..<8 {
        #expect(stored[lane].bitPattern == Float(BFloat16(value[lane])).bitPattern)
        #expect(target[lane].bitPattern == stored[lane].bitPattern)
      }
    }
  }
}

/// Tests every instruction set that this processor supports.
@Suite("bfloat16 GEMM of each instruction set")
struct BFloat16GEMMTests {
  /// Sizes with whole and partial tiles, narrow last panels, odd and long depths, and rows 1024 bytes apart.
  private static let sizes: [(rows: Int, columns: Int, depth: Int, stride: Int)] = [
    (1, 8, 1, 8), (6, 16, 8, 8), (5, 24, 9, 16), (7, 19, 33, 40), (13, 33, 33, 40), (200, 40, 64, 64),
    (193, 48, 256, 256), (389, 136, 300, 304), (31, 64, 512, 512), (50, 17, 777, 784), (101, 9, 2048, 2048),
  ]

  @Test("A product of small integers is exact", arguments: InstructionSet.supported, sizes)
  func exact(_ set: InstructionSet, _ size: (rows: Int, columns: Int, depth: Int, stride: Int)) {
    check(set, size, integers: true)
  }

  @Test(
    "A product is within 2⁻⁸ · Σ |a| |b| of the sum that defines it, before it is rounded",
    arguments: InstructionSet.supported, sizes)
  func product(_ set: InstructionSet, _ size: (rows: Int, columns: Int, depth: Int, stride: Int)) {
    check(set, size, integers: false)
  }

  private func check(
    _ set: InstructionSet, _ size: (rows: Int, columns: Int, depth: Int, stride: Int), integers: Bool
  ) {
    let microkernels = set.microkernels
    let (m, n, k, lda) = size
    let columns = n.roundedUp(toMultipleOf: 8)
    let cStride = columns + 8
    let a = Matrix("a", m, k, stride: lda, integers ? .integers : .rounded)
    let b = Matrix("b", k, n, stride: n, integers ? .integers : .random)
    let residual = Matrix("residual", m, cStride, stride: cStride, integers ? .integers : .rounded)
    let bias = Matrix("bias", 1, columns, stride: columns, integers ? .integers : .random)
    let rounded = RoundedMatrix(a)
    let roundedResidual = RoundedMatrix(residual)
    let panels = packed(microkernels, b)
    let workspace = Buffer(count: microkernels.roundedWorkspaceCount(depth: k))
    let c = Buffer(count: m * cStride)
    for precision in Precision.allCases {
      for withEpilogue in [false, true] {
        let target = ElementPointer(UnsafeMutableRawPointer(c.start), precision)
        for i in 0..<m * cStride { write(-7, to: target, i) }
        let residualPointer = precision == .bfloat16 ? roundedResidual.pointer : ElementPointer(residual.start)
        microkernels.multiplyRounded(
          rows: m, columns: 0..<columns, rounded.pointer.elements(), aStride: lda,
          RoundedB(panels.start, depth: k, columns: columns), into: target, cStride: cStride,
          epilogue: withEpilogue ? EpiloguePointers(bias: bias.start, residual: residualPointer, relu: true) : nil,
          workspace: workspace.start)
        var worst = 0.0
        for i in 0..<m {
          for j in 0..<cStride {
            var expected = j < columns ? 0.0 : -7
            var magnitude = 1e-30
            if j < n {
              for t in 0..<k {
                let term = Double(a.start[i * lda + t]) * Double(b.start[t * n + j])
                expected += term
                magnitude += abs(term)
              }
            }
            if withEpilogue && j < columns {
              let added = Double(bias.start[j]) + Double(residual.start[i * cStride + j])
              expected = max(0, expected + added)
              magnitude += abs(Double(bias.start[j])) + abs(Double(residual.start[i * cStride + j]))
            }
            let found = Double(read(target, i * cStride + j))
            if integers {
              let exact = precision == .bfloat16 ? Double(Float(BFloat16(Float(expected)))) : expected
              if found != exact { worst = .infinity }
            } else {
              // B and the result are rounded, each by at most 2⁻⁸.
              worst = max(worst, abs(found - expected) / (magnitude + abs(expected)))
            }
          }
        }
        #expect(worst <= 1.0 / 256)
      }
    }
  }

  @Test(
    "A transposed product of small integers is exact, one of other numbers within 10⁻⁵ · Σ |a| |b|",
    arguments: InstructionSet.supported,
    [(1, 8, 8), (101, 40, 24), (256, 64, 48), (703, 136, 72), (383, 8, 264), (640, 264, 16)])
  func transposed(_ set: InstructionSet, size: (rows: Int, left: Int, right: Int)) {
    let (rows, left, right) = size
    let microkernels = set.microkernels
    for integers in [true, false] {
      let a = Matrix("a", rows, left, stride: left, integers ? .integers : .rounded)
      let b = Matrix("b", rows, right, stride: right, integers ? .integers : .rounded)
      let (leftPanelWidth, rightPanelWidth) = (
        microkernels.leftPanelWidth, microkernels.rightPanelWidth(columns: right)
      )
      let cStride = right.roundedUp(toMultipleOf: rightPanelWidth)
      let cRows = left.roundedUp(toMultipleOf: leftPanelWidth)
      let c = Matrix("c", cRows, cStride, stride: cStride, .integers)
      let before = Matrix("c", cRows, cStride, stride: cStride, .integers)
      let capacity = (rows + 3).roundedUp(toMultipleOf: 2)
      let packedLeft = Buffer(count: capacity * cRows)
      let packedRight = Buffer(count: capacity * cStride)
      microkernels.packRoundedRows(
        rows: rows, columns: left, from: RoundedMatrix(a).pointer.elements(), rowStride: left, width: leftPanelWidth,
        capacity: capacity, into: packedLeft.start)
      microkernels.packRoundedRows(
        rows: rows, columns: right, from: RoundedMatrix(b).pointer.elements(), rowStride: right, width: rightPanelWidth,
        capacity: capacity, into: packedRight.start)
      microkernels.multiplyTransposedRounded(
        rows: rows, leftColumns: left, rightColumns: right, left: packedLeft.start, right: packedRight.start,
        capacity: capacity, into: c.start, cStride: cStride)
      var worst = 0.0
      for i in 0..<left {
        for j in 0..<cStride {
          var expected = Double(before.start[i * cStride + j])
          var magnitude = 1e-30
          if j < right {
            for row in 0..<rows {
              let term = Double(a.start[row * left + i]) * Double(b.start[row * right + j])
              expected += term
              magnitude += abs(term)
            }
          }
          let error = abs(Double(c.start[i * cStride + j]) - expected)
          worst = max(worst, integers ? (error == 0 ? 0 : .infinity) : error / (magnitude + 1))
        }
      }
      #expect(worst <= 1e-5)
    }
  }

  @Test(
    "The result of a row has the same bits wherever the row stands",
    arguments: InstructionSet.supported.filter { $0.microkernels.isBatchInvariant }, [64, 301, 512, 1200])
  func isBatchInvariant(_ set: InstructionSet, depth: Int) {
    let (rows, columns) = (200, 40)
    let stride = depth.roundedUp(toMultipleOf: 8)
    let a = RoundedMatrix(Matrix("a", rows, depth, stride: stride))
    let panels = packed(set.microkernels, Matrix("b", depth, columns, stride: columns))
    let workspace = Buffer(count: set.microkernels.roundedWorkspaceCount(depth: depth))
    func product(of first: Int, _ count: Int) -> [Float] {
      let c = Buffer(count: count * columns)
      set.microkernels.multiplyRounded(
        rows: count, columns: 0..<columns, (a.pointer + first * stride).elements(), aStride: stride,
        RoundedB(panels.start, depth: depth, columns: columns), into: ElementPointer(c.start), cStride: columns,
        epilogue: nil, workspace: workspace.start)
      return Array(UnsafeBufferPointer(start: c.start, count: count * columns))
    }
    let whole = product(of: 0, rows)
    for first in [0, 1, 47, 48, 100, 191, 192, 199] {
      #expect(product(of: first, 1) == Array(whole[(first * columns)..<((first + 1) * columns)]))
    }
  }

  @Test(
    "A transposed source packs to the same panels", arguments: InstructionSet.supported, [(9, 33), (64, 48), (5, 8)])
  func packsTransposed(_ set: InstructionSet, size: (Int, Int)) {
    let (depth, columns) = size
    let b = Matrix("b", depth, columns, stride: columns)
    let transposed = Matrix("b", columns, depth, stride: depth)
    for i in 0..<depth { for j in 0..<columns { transposed.start[j * depth + i] = b.start[i * columns + j] } }
    let straight = packed(set.microkernels, b)
    let other = packed(set.microkernels, transposed, depth: depth, columns: columns, rowStride: 1, columnStride: depth)
    for i in 0..<straight.count { #expect(straight.start[i].bitPattern == other.start[i].bitPattern) }
  }

  private func packed(
    _ microkernels: any MicrokernelSet.Type, _ b: Matrix, depth: Int? = nil, columns: Int? = nil, rowStride: Int? = nil,
    columnStride: Int = 1
  ) -> Buffer {
    let (depth, columns) = (depth ?? b.rows, columns ?? b.columns)
    let buffer = Buffer(count: microkernels.roundedCount(depth: depth, columns: columns))
    buffer.clear()
    for panel in 0..<columns.dividedRoundingUp(by: microkernels.panelWidth(columns: columns)) {
      microkernels.packRounded(
        panel: panel, depth: depth, columns: columns, from: b.start, rowStride: rowStride ?? b.stride,
        columnStride: columnStride, into: buffer.start)
    }
    return buffer
  }

  private func read(_ pointer: ElementPointer, _ index: Int) -> Float {
    switch pointer.precision {
    case .float32: pointer.elements(Float.self)[index]
    case .bfloat16: pointer.elements(BFloat16.self)[index]
    }
  }

  private func write(_ value: Float, to pointer: ElementPointer, _ index: Int) {
    switch pointer.precision {
    case .float32: pointer.elements(Float.self)[index] = value
    case .bfloat16: pointer.elements(BFloat16.self)[index] = value
    }
  }
}

/// A matrix rounded to bfloat16, with the same stride.
private struct RoundedMatrix {
  private let buffer: Buffer

  var pointer: ElementPointer { ElementPointer(UnsafeMutableRawPointer(buffer.start), .bfloat16) }

  init(_ matrix: Matrix) {
    let count = matrix.rows * matrix.stride
    buffer = Buffer(count: count / 2 + 1)
    buffer.clear()
    let elements: Elements<BFloat16> = pointer.elements()
    for i in 0..<count { elements[i] = matrix.start[i] }
  }
}
