import Microkernels
import Tensors

/// The transformed weights of a 3×3 convolution: G w Gᵀ of each pair of channels, packed for GEMM.
struct WinogradFilter {
  /// Rows of each matrix: input channels, padding included.
  let inputs: Int
  /// Columns of each matrix: output channels, padding included.
  let outputs: Int
  /// Floats from matrix to matrix; a cache line more than needed, so that matrices do not share cache sets.
  private let stride: Int
  private let buffer: Buffer

  /// Transforms and packs the taps.
  init(_ taps: PaddedTaps, for tiles: WinogradTiles, on workers: WorkerPool) {
    let inputs = taps.inputs
    let outputs = taps.outputs
    let microkernels = tiles.microkernels
    let stride = microkernels.packedCount(depth: inputs, columns: outputs) + 16
    let buffer = Buffer(count: tiles.products * stride)
    self.inputs = inputs
    self.outputs = outputs
    self.stride = stride
    self.buffer = buffer

    let area = tiles.workspaceCount
    let workspace = Buffer(count: workers.threads * area)
    let width = microkernels.panelWidth(columns: outputs)
    let nonTemporal = NonTemporal.pays(floats: buffer.count) && outputs % 16 == 0
    let panels = outputs.dividedRoundingUp(by: width)
    let block = 32
    let blocks = inputs.dividedRoundingUp(by: block)
    workers.parallelFor(panels * blocks) { task, worker in
      let column = task / blocks * width
      let (offset, rowStride) = microkernels.packedOffset(ofColumn: column, columns: outputs, depth: inputs)
      for input in task % blocks * block..<min(inputs, task % blocks * block + block) {
        microkernels.transformFilter(
          taps.start + input * outputs + column, tap: taps.tap, width: min(rowStride, outputs - column), tiles.vertical,
          tiles.horizontal, to: buffer.start + offset + input * rowStride, product: stride, nonTemporal: nonTemporal,
          workspace: workspace.start + worker * area)
      }
    }
  }

  /// The matrix of a product of a tile.
  func matrix(_ product: Int) -> PackedB {
    PackedB(buffer.start + product * stride, depth: inputs, columns: outputs)
  }

  /// Floats of workspace that `gradient` needs.
  static func gradientWorkspaceCount(_ tiles: WinogradTiles) -> Int { tiles.workspaceCount + 9 * 8 }

  /// The gradient of the taps, Gᵀ du G, for some pairs of channels.
  ///
  /// - Parameters:
  ///   - du: a row-major matrix for each product of a tile, `product` floats apart, with rows of `width` floats; it
  ///     begins at the first of `inputs` and `outputs`. Channels beyond those of the filter are padding.
  ///   - adding: whether to add to what `dw` holds.
  static func gradient(
    _ du: UnsafePointer<Float>, width: Int, product: Int, inputs: Range<Int>, outputs: Range<Int>,
    of tiles: WinogradTiles, to dw: Filter, adding: Bool, workspace: UnsafeMutablePointer<Float>
  ) {
    // Taps without a gradient have nothing to add.
    let rows = adding ? tiles.vertical.taps : 0..<3
    let columns = adding ? tiles.horizontal.taps : 0..<3
    let taps = workspace + tiles.workspaceCount
    for input in inputs.clamped(to: 0..<dw.inputs) {
      let source = du + (input - inputs.lowerBound) * width
      for output in Swift.stride(from: outputs.lowerBound, to: min(outputs.upperBound, dw.outputs), by: 8) {
        tiles.microkernels.transformFilterGradient(
          source + output - outputs.lowerBound, product: product, tiles.vertical, tiles.horizontal, to: taps,
          workspace: workspace)
        for row in rows {
          for column in columns {
            let tap = 3 * row + column
            let target = dw.start + (tap * dw.inputs + input) * dw.outputs + output
            if output + 8 <= dw.outputs {
              let sum = taps.vector(tap * 8)
              target.store(adding ? target.vector() + sum : sum)
            } else {
              for lane in 0..<(dw.outputs - output) {
                target[lane] = adding ? target[lane] + taps[tap * 8 + lane] : taps[tap * 8 + lane]
              }
            }
          }
        }
      }
    }
  }
}

/// The taps of a 3×3 convolution with both channel counts rounded up to whole vectors; added channels are zero.
struct PaddedTaps {
  /// A multiple of 8.
  let inputs: Int
  /// A multiple of 8.
  let outputs: Int
  /// Floats from one tap to the next.
  var tap: Int { inputs * outputs }
  /// `[3, 3, inputs, outputs]`.
  let start: UnsafeMutablePointer<Float>
  private let buffer: Buffer

  /// The taps as they are.
  init(_ weight: Filter, on workers: WorkerPool) {
    inputs = weight.inputs.roundedUp(toMultipleOf: 8)
    outputs = weight.outputs.roundedUp(toMultipleOf: 8)
    if inputs == weight.inputs && outputs == weight.outputs {
      buffer = weight.floats.buffer
      start = weight.start
      return
    }
    buffer = Buffer(count: 9 * inputs * outputs)
    start = buffer.start
    let (start, inputs, outputs) = (start, inputs, outputs)
    workers.parallelFor(9 * inputs) { row, _ in
      let target = start + row * outputs
      let (tap, input) = row.quotientAndRemainder(dividingBy: inputs)
      target.initialize(repeating: 0, count: outputs)
      guard input < weight.inputs else { return }
      target.update(from: weight.start + (tap * weight.inputs + input) * weight.outputs, count: weight.outputs)
    }
  }

  /// The taps rotated by 180°, inputs and outputs exchanged: a convolution with them turns the gradient of the outputs
  /// into that of the inputs.
  init(rotated weight: Filter, on workers: WorkerPool) {
    inputs = weight.outputs.roundedUp(toMultipleOf: 8)
    outputs = weight.inputs.roundedUp(toMultipleOf: 8)
    buffer = Buffer(count: 9 * inputs * outputs)
    start = buffer.start
    let (start, inputs, outputs) = (start, inputs, outputs)
    let blocks = outputs.dividedRoundingUp(by: 16)
    workers.parallelFor(9 * blocks) { task, _ in
      let (tap, block) = task.quotientAndRemainder(dividingBy: blocks)
      let first = block * 16
      let count = min(16, weight.inputs - first)
      let source = weight.start + (tap * weight.inputs + first) * weight.outputs
      let target = start + (8 - tap) * inputs * outputs + first
      for row in 0..<inputs {
        for column in 0..<min(16, outputs - first) {
          target[row * outputs + column] =
            row < weight.outputs && column < count ? source[column * weight.outputs + row] : 0
        }
      }
    }
  }
}
