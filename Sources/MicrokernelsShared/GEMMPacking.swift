import Microkernels

extension Backend {
  package static func packRows(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float, times other: UnsafePointer<Float>?,
    rowStride: Int, width: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>
  ) {
    // The usual widths are specialized.
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
        forEachVector(
          in: to.count,
          native: { to.start.store(fma(sign, other.load(i + $0), source.load(i + $0) as NativeVector), $0) },
          eight: { to.start.store(fma(sign, other.vector(i + $0), source.vector(i + $0)), $0) })
      }
    } else {
      packRows(rows: rows, columns: columns, width: width, capacity: capacity, into: packed) { row, column, to in
        let from = source + row * rowStride + column
        forEachVector(
          in: to.count, native: { to.start.store(from.load($0) as NativeVector, $0) },
          eight: { to.start.store(from.vector($0), $0) })
      }
    }
  }

  /// Row by row: reads are sequential, and one cache line of each panel is being written.
  @inline(__always)
  static func packRows(
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

  /// The GEMM epilogue: adds bias and residual, then applies ReLU.
  package static func applyEpilogue(
    _ epilogue: EpiloguePointers, to c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int
  ) {
    write(c, stride: stride, rows: rows, columns: columns, epilogue, to: ElementPointer(c), stride)
  }

  /// Writes a block of a product to `c`, with the epilogue.
  static func write(
    _ product: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, _ epilogue: EpiloguePointers?,
    to c: ElementPointer, _ cStride: Int
  ) {
    switch c.precision {
    case .float32:
      write(product, stride, rows, columns, epilogue, epilogue?.residual?.elements(), c.elements(Float.self), cStride)
    case .bfloat16:
      write(
        product, stride, rows, columns, epilogue, epilogue?.residual?.elements(), c.elements(BFloat16.self), cStride)
    }
  }

  @inline(__always)
  private static func write<E: Element>(
    _ product: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Int, _ epilogue: EpiloguePointers?,
    _ residual: Elements<E>?, _ c: Elements<E>, _ cStride: Int
  ) {
    let (bias, relu) = (epilogue?.bias, epilogue?.relu ?? false)
    for row in 0..<rows {
      let source = product + row * stride
      for column in Swift.stride(from: 0, to: columns, by: 8) {
        var value = source.vector(column)
        if let bias { value += bias.vector(column) }
        if let residual { value += residual.vector(row * cStride + column) }
        c.store(relu ? value.relu : value, row * cStride + column)
      }
    }
  }
}
