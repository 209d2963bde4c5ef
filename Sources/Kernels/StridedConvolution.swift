import Microkernels
import Tensors

/// The 3×3 convolution with stride 2 and padding 1, as GEMM of gathered pixels (im2col, a block at a time) with the
/// filter. There are few of them: products are in single precision, whatever that of the tensors.
///
/// Output pixel (y, x) reads the input rows 2y − 1 … 2y + 1 and columns 2x − 1 … 2x + 1; there are ⌈H/2⌉ × ⌈W/2⌉ of
/// them.
package enum StridedConvolution {
  package static func outputSize(of size: Size) -> Size {
    Size(size.height.dividedRoundingUp(by: 2), size.width.dividedRoundingUp(by: 2))
  }

  /// The pixel under a tap; nil outside of the image.
  private typealias Pixel = ElementPointer?

  /// - Parameters:
  ///   - x: `[N, H, W, C]`
  ///   - weight: `[3, 3, C, K]`, K > 1.
  ///   - precision: of the result; that of x, unless given.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, K]`
  package static func forward(
    _ x: Tensor, _ weight: Filter, epilogue: Epilogue? = nil, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(x.shape.channels == weight.inputs)
    let z = Tensor(
      x.shape.with(size: outputSize(of: x.shape.size)).with(channels: weight.outputs), precision ?? x.precision)
    let gemm = MatrixProduct(on: workers)
    let channels = weight.inputs
    let depth = 9 * channels
    let packed = PackedBStorage(
      depth: depth, columns: weight.outputs, from: weight.start, rowStride: weight.outputs, on: workers)

    let rowStride = gatheredStride(depth)
    let block = min(MatrixProduct.rowBlock, max(48, 65_536 / rowStride / 6 * 6))
    let perImage = z.shape.pixelsPerImage.dividedRoundingUp(by: block)
    let columns = z.shape.stride
    let workspaceCount = block * (rowStride + columns) + gemm.workspaceCount
    let workspace = Buffer(count: workers.threads * workspaceCount)
    workers.parallelFor(z.shape.images * perImage) { task, worker in
      let image = task / perImage
      let first = task % perImage * block
      let rows = min(block, z.shape.pixelsPerImage - first)
      let gathered = workspace.start + worker * workspaceCount
      for row in 0..<rows {
        let (y, column) = ((first + row) / z.shape.width, (first + row) % z.shape.width)
        for tap in 0..<9 {
          copy(
            channels, from: pixel(x, image, 2 * y + tap / 3 - 1, 2 * column + tap % 3 - 1),
            to: gathered + row * rowStride + tap * channels)
        }
      }
      let offset = (image * z.shape.pixelsPerImage + first) * columns
      let result = gathered + block * rowStride
      write(rows * columns, to: z.elements + offset, through: result, on: workers) { target in
        gemm.multiply(
          rows: rows, gathered, aStride: rowStride, packed.matrix, into: target, cStride: columns,
          epilogue: epilogue?.pointers(at: offset), workspace: result + block * columns)
      }
    }
    return z
  }

  /// The gradient of an input of `inputSize`.
  ///
  /// An input pixel in an even row is read by the middle tap of one output row, in an odd row by the lower tap of the
  /// one above and the upper tap of the one below; likewise for columns. Each of the four parities is a GEMM of its
  /// own, of up to four taps, whose results lie two pixels apart.
  package static func inputGradient(
    _ dz: Tensor, _ weight: Filter, inputSize: Size, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(weight.inputs > 1 && dz.shape.channels == weight.outputs)
    precondition(dz.shape.size == outputSize(of: inputSize))
    let dx = Tensor(dz.shape.with(size: inputSize).with(channels: weight.inputs), dz.precision)
    let outputs = weight.outputs
    let columns = dx.shape.stride
    /// The taps that read a pixel in an even or odd row, and the offset of their output row from half the pixel's row.
    let taps = [[(tap: 1, offset: 0)], [(tap: 2, offset: 0), (tap: 0, offset: 1)]]

    // For each parity, the transposed taps stacked.
    let packed = (0..<4).map { parity in
      let depth = taps[parity / 2].count * taps[parity % 2].count * outputs
      let stacked = Buffer(count: depth * weight.inputs)
      var target = stacked.start
      for vertical in taps[parity / 2] {
        for horizontal in taps[parity % 2] {
          let source = weight.tap(vertical.tap, horizontal.tap)
          for input in 0..<weight.inputs {
            for output in 0..<outputs { target[output * weight.inputs + input] = source[input * outputs + output] }
          }
          target += outputs * weight.inputs
        }
      }
      return PackedBStorage(
        depth: depth, columns: weight.inputs, from: stacked.start, rowStride: weight.inputs, on: workers)
    }

    let gemm = MatrixProduct(on: workers)
    let longest = dz.shape.width * gatheredStride(4 * outputs)
    let line = inputSize.width * columns
    let workspaceCount = longest + line + gemm.workspaceCount
    let workspace = Buffer(count: workers.threads * workspaceCount)
    workers.parallelFor(dx.shape.images * inputSize.height) { task, worker in
      let image = task / inputSize.height
      let y = task % inputSize.height
      let gathered = workspace.start + worker * workspaceCount
      let result = gathered + longest
      write(line, to: dx.elements + task * line, through: result, on: workers) { output in
        for odd in 0..<min(2, inputSize.width) {
          let rows = (inputSize.width + 1 - odd) / 2
          let (vertical, horizontal) = (taps[y % 2], taps[odd])
          let depth = vertical.count * horizontal.count * outputs
          let rowStride = gatheredStride(depth)
          for row in 0..<rows {
            var target = gathered + row * rowStride
            for v in vertical {
              for h in horizontal {
                copy(outputs, from: pixel(dz, image, y / 2 + v.offset, row + h.offset), to: target)
                target += outputs
              }
            }
          }
          gemm.multiply(
            rows: rows, gathered, aStride: rowStride, packed[y % 2 * 2 + odd].matrix, into: output + odd * columns,
            cStride: 2 * columns, workspace: result + line)
        }
      }
    }
    return dx
  }

  /// Overwrites `dw`, `[3, 3, C, K]`, with the gradient of the weights.
  package static func weightGradient(_ x: Tensor, _ dz: Tensor, into dw: Filter, on workers: WorkerPool) {
    check(dw)
    precondition(dw.inputs > 1 && x.shape.channels == dw.inputs && dz.shape.channels == dw.outputs)
    precondition(dz.shape.images == x.shape.images && dz.shape.size == outputSize(of: x.shape.size))
    let dz = Conversion.convert(dz, to: .float32, on: workers)
    let width = x.shape.stride
    let panelWidth = workers.microkernels.leftPanelWidth
    WeightGradient.compute(
      columns: 9 * width, dz, into: dw.start, on: workers,
      row: { $0 % width < dw.inputs ? $0 / width * dw.inputs + $0 % width : nil },
      packLeft: { image, rows, columns, capacity, target in
        // Gathers directly into the panels, eight channels of one tap at a time.
        for column in stride(from: columns.lowerBound, to: columns.upperBound, by: 8) {
          let tap = column / width
          let (panelIndex, offset) = (column - columns.lowerBound).quotientAndRemainder(dividingBy: panelWidth)
          var panel = target + panelIndex * panelWidth * capacity + offset
          for row in rows {
            let (y, c) = (row / dz.shape.width, row % dz.shape.width)
            let source = pixel(x, image, 2 * y + tap / 3 - 1, 2 * c + tap % 3 - 1)
            panel.store(source.map { $0.vector(column % width) } ?? Vector())
            panel += panelWidth
          }
        }
      })
  }

  private static func check(_ weight: Filter) {
    precondition(weight.kernel == 3 && weight.outputs > 1)
  }

  /// Floats from row to row of a gathered matrix: the last vector may extend past the end of a row.
  private static func gatheredStride(_ depth: Int) -> Int { depth.roundedUp(toMultipleOf: 8) + 8 }

  private static func pixel(_ tensor: Tensor, _ image: Int, _ row: Int, _ column: Int) -> Pixel {
    guard row >= 0, row < tensor.shape.height, column >= 0, column < tensor.shape.width else { return nil }
    return tensor.elements(image: image) + (row * tensor.shape.width + column) * tensor.shape.stride
  }

  /// Copies a tap of `channels` numbers, or zeros. Writes up to 7 floats more: the taps of a row are copied in order,
  /// and the next one overwrites them.
  @inline(__always)
  private static func copy(_ channels: Int, from pixel: Pixel, to target: UnsafeMutablePointer<Float>) {
    func copy(_ vector: (_ channel: Int) -> Vector) {
      for c in stride(from: 0, to: channels, by: 8) { target.store(vector(c), c) }
    }
    guard let pixel else { return copy { _ in Vector() } }
    switch pixel.precision {
    case .float32: copy(pixel.elements(Float.self).vector)
    case .bfloat16: copy(pixel.elements(BFloat16.self).vector)
    }
  }

  /// Writes `count` numbers: lets `compute` write floats, in place or to `floats`, which are then rounded.
  @inline(__always)
  private static func write(
    _ count: Int, to target: ElementPointer, through floats: UnsafeMutablePointer<Float>, on workers: WorkerPool,
    _ compute: (_ target: UnsafeMutablePointer<Float>) -> Void
  ) {
    switch target.precision {
    case .float32: compute(target.floats)
    case .bfloat16:
      compute(floats)
      workers.microkernels.convert(ElementPointer(floats), to: target, count: count)
    }
  }
}
