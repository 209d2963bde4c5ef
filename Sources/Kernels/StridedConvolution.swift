import Glibc
import Tensors

/// The 3×3 convolution with stride 2 and padding 1, as products of gathered pixels with the filter.
///
/// Output pixel (y, x) sees the input rows 2y − 1 … 2y + 1 and columns 2x − 1 … 2x + 1; there are ⌈H/2⌉ × ⌈W/2⌉ of them.
package enum StridedConvolution {
  package static func outputSize(of size: Size) -> Size { Size((size.height + 1) / 2, (size.width + 1) / 2) }

  /// A pixel that a row of the gathered matrix takes a tap from; nil beyond the border.
  private typealias Place = UnsafeMutablePointer<Float>?

  /// - Parameters:
  ///   - x: `[N, H, W, C]`
  ///   - weight: `[3, 3, C, K]`, K > 1.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, K]`
  package static func forward(
    _ x: Tensor, _ weight: Filter, epilogue: Epilogue? = nil, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(x.shape.channels == weight.inputs)
    let z = Tensor(x.shape.with(size: outputSize(of: x.shape.size)).with(channels: weight.outputs))
    let channels = weight.inputs
    let depth = 9 * channels
    let panels = PackedBStorage(
      depth: depth, columns: weight.outputs, from: weight.start, rowStride: weight.outputs, on: workers)

    let rowStride = gatheredStride(depth)
    let block = min(MatrixProduct.rowBlock, max(48, 65_536 / rowStride / 6 * 6))
    let perImage = (z.shape.pixelsPerImage + block - 1) / block
    let workspaceCount = block * rowStride + MatrixProduct.workspaceCount
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
            channels, from: place(x, image, 2 * y + tap / 3 - 1, 2 * column + tap % 3 - 1),
            to: gathered + row * rowStride + tap * channels)
        }
      }
      MatrixProduct.multiply(
        rows: rows, gathered, aStride: rowStride, panels.matrix, into: z.image(image) + first * z.shape.stride,
        cStride: z.shape.stride,
        epilogue: epilogue?.pointers(atFloat: z.image(image) - z.start + first * z.shape.stride),
        workspace: gathered + block * rowStride)
    }
    return z
  }

  /// The gradient of an input of `inputSize`.
  ///
  /// An input pixel at an even row was seen by the middle tap of one output row, at an odd row by the lower tap of the
  /// one above and the upper tap of the one below; so with columns. The pixels of each of the four kinds are a matrix
  /// product of their own, of up to four taps, whose results lie two pixels apart.
  package static func inputGradient(
    _ dz: Tensor, _ weight: Filter, inputSize: Size, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(weight.inputs > 1 && dz.shape.channels == weight.outputs)
    precondition(dz.shape.size == outputSize(of: inputSize))
    let dx = Tensor(dz.shape.with(size: inputSize).with(channels: weight.inputs))
    let outputs = weight.outputs
    let columns = dx.shape.stride
    /// The taps that see a pixel at an even or odd row, and the output row's distance from half the pixel's row.
    let taps = [[(tap: 1, offset: 0)], [(tap: 2, offset: 0), (tap: 0, offset: 1)]]

    // For each kind the transposed taps one above the other.
    let panels = (0..<4).map { kind in
      let depth = taps[kind / 2].count * taps[kind % 2].count * outputs
      let stacked = Buffer(count: depth * weight.inputs)
      var target = stacked.start
      for vertical in taps[kind / 2] {
        for horizontal in taps[kind % 2] {
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

    let longest = dz.shape.width * gatheredStride(4 * outputs)
    let workspaceCount = longest + MatrixProduct.workspaceCount
    let workspace = Buffer(count: workers.threads * workspaceCount)
    workers.parallelFor(dx.shape.images * inputSize.height) { task, worker in
      let image = task / inputSize.height
      let y = task % inputSize.height
      let gathered = workspace.start + worker * workspaceCount
      for odd in 0..<min(2, inputSize.width) {
        let rows = (inputSize.width + 1 - odd) / 2
        let (vertical, horizontal) = (taps[y % 2], taps[odd])
        let depth = vertical.count * horizontal.count * outputs
        let rowStride = gatheredStride(depth)
        for row in 0..<rows {
          var target = gathered + row * rowStride
          for v in vertical {
            for h in horizontal {
              copy(outputs, from: place(dz, image, y / 2 + v.offset, row + h.offset), to: target)
              target += outputs
            }
          }
        }
        MatrixProduct.multiply(
          rows: rows, gathered, aStride: rowStride, panels[y % 2 * 2 + odd].matrix,
          into: dx.image(image) + (y * inputSize.width + odd) * columns, cStride: 2 * columns,
          workspace: gathered + longest)
      }
    }
    return dx
  }

  /// Overwrites `dw`, `[3, 3, C, K]`, with the gradient of the weights.
  package static func weightGradient(_ x: Tensor, _ dz: Tensor, into dw: Filter, on workers: WorkerPool) {
    check(dw)
    precondition(dw.inputs > 1 && x.shape.channels == dw.inputs && dz.shape.channels == dw.outputs)
    precondition(dz.shape.images == x.shape.images && dz.shape.size == outputSize(of: x.shape.size))
    let width = x.shape.stride
    WeightGradient.compute(
      columns: 9 * width, dz, into: dw.start, on: workers,
      row: { $0 % width < dw.inputs ? $0 / width * dw.inputs + $0 % width : nil },
      packLeft: { image, rows, columns, capacity, target in
        // The panels are gathered where they are needed: eight channels of one tap at a time.
        let panelWidth = microkernels.leftPanelWidth
        for column in stride(from: columns.lowerBound, to: columns.upperBound, by: 8) {
          let tap = column / width
          let (panelIndex, offset) = (column - columns.lowerBound).quotientAndRemainder(dividingBy: panelWidth)
          var panel = target + panelIndex * panelWidth * capacity + offset
          for pixel in rows {
            let (y, c) = (pixel / dz.shape.width, pixel % dz.shape.width)
            let source = place(x, image, 2 * y + tap / 3 - 1, 2 * c + tap % 3 - 1)
            panel.store(source.map { $0.vector(column % width) } ?? Vector())
            panel += panelWidth
          }
        }
      })
  }

  private static func check(_ weight: Filter) {
    precondition(weight.kernel == 3 && weight.outputs > 1)
  }

  /// Floats from row to row of a gathered matrix: a vector may overhang its end.
  private static func gatheredStride(_ depth: Int) -> Int { ((depth + 7) & ~7) + 8 }

  private static func place(_ tensor: Tensor, _ image: Int, _ row: Int, _ column: Int) -> Place {
    guard row >= 0, row < tensor.shape.height, column >= 0, column < tensor.shape.width else { return nil }
    return tensor.image(image) + (row * tensor.shape.width + column) * tensor.shape.stride
  }

  /// Copies a tap of `channels` floats, or as many zeros. Up to 7 floats more are written: the taps of a row are
  /// copied one after the other, and the next one covers them.
  @inline(__always)
  private static func copy(_ channels: Int, from place: Place, to target: UnsafeMutablePointer<Float>) {
    if let place {
      for c in stride(from: 0, to: channels, by: 8) { target.store(place.vector(c), c) }
    } else {
      for c in stride(from: 0, to: channels, by: 8) { target.store(Vector(), c) }
    }
  }
}
