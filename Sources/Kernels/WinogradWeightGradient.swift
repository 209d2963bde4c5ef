import Glibc
import Microkernels
import Tensors

/// The gradient of the weights of a stride-1 3×3 convolution, `dw = Gᵀ [ Σ (Bᵀ x B) ⊙ (A dy Aᵀ) ] G`, one image and one
/// group of tiles at a time. The order of the sum over tiles depends on the image's size and the channels alone.
///
/// The transformed tiles of bfloat16 tensors are rounded to bfloat16 if an instruction multiplies such numbers; see
/// `SpatialConvolution`.
enum WinogradWeightGradient {
  /// Writes the contribution of the tiles of one image to `dw`, or adds it.
  ///
  /// - Parameters:
  ///   - x: pixels of whole vectors, as in `dy`.
  ///   - adding: whether to add to what `dw` holds.
  static func add(
    _ x: Tensor, _ dy: Tensor, image: Int, _ tiles: WinogradTiles, to dw: Filter, adding: Bool,
    on workers: WorkerPool
  ) {
    let gemm = MatrixProduct(on: workers)
    let rows = x.shape.stride
    let columns = gemm.paddedRight(dy.shape.stride)
    let operands = Operands(
      x: x.elements(image: image), dy: dy.elements(image: image), rows: rows,
      gradients: dy.shape.stride, columns: columns, tiles: tiles, gemm: gemm,
      pairs: x.precision == .bfloat16 && dy.precision == .bfloat16 ? tiles.pairMicrokernels : nil)
    if rows * columns <= largestFused {
      fused(operands, to: dw, adding, on: workers)
    } else {
      multiPass(operands, to: dw, adding, on: workers)
    }
  }

  /// Channel pairs up to which `fused` is used: each segment of the image has a sum of its own.
  private static let largestFused = 128 * 128

  /// Tiles transformed at a time within a segment.
  private static let block = 48

  /// Segments of an image.
  private static let segments = 16

  private struct Operands {
    let x: ElementPointer
    let dy: ElementPointer
    /// Channels of x, padding included: rows of each sum.
    let rows: Int
    /// Channels of dy, padding included.
    let gradients: Int
    /// The same in whole panels: columns of each sum.
    let columns: Int
    let tiles: WinogradTiles
    let gemm: MatrixProduct
    /// What the transformed tiles are multiplied with if they are rounded to bfloat16.
    let pairs: (any PairMicrokernelSet.Type)?

    /// Floats from one sum to the next.
    var sum: Int { rows * columns + 16 }

    /// Transforms one or two tiles into rows `row`, which is even, and `row + 1` of panels that hold `capacity` rows.
    func transform(
      tiles range: Range<Int>, row: Int, capacity: Int, left: UnsafeMutablePointer<Float>,
      right: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) {
      if let pairs {
        tiles.transformInputPair(
          x, channels: rows, tiles: range, to: leftLayout(left, row: row, capacity), workspace: workspace, with: pairs)
        tiles.transformGradientPair(
          dy, channels: gradients, tiles: range, to: rightLayout(right, row: row, capacity), workspace: workspace,
          with: pairs)
      } else {
        for (row, tile) in zip(row..., range) {
          tiles.transformInput(
            x, channels: rows, tile: tile, to: leftLayout(left, row: row, capacity), workspace: workspace)
          tiles.transformGradient(
            dy, channels: gradients, tile: tile, to: rightLayout(right, row: row, capacity), workspace: workspace)
        }
      }
      guard gradients < columns else { return }
      // Clear the rest of the last panel.
      let rest = gradients - (columns - rightPanelWidth)
      for row in stride(from: row, to: row + range.count, by: rowsPerFloat) {
        let last = (columns - rightPanelWidth) * floats(capacity) + row / rowsPerFloat * rightPanelWidth
        for product in 0..<tiles.products {
          for column in stride(from: rest, to: rightPanelWidth, by: 8) {
            right.store(Vector(), product * rightProduct(capacity) + last + column)
          }
        }
      }
    }

    private func leftLayout(_ panels: UnsafeMutablePointer<Float>, row: Int, _ capacity: Int) -> TileLayout {
      layout(panels, row: row, capacity, product: leftProduct(capacity), width: leftPanelWidth)
    }

    private func rightLayout(_ panels: UnsafeMutablePointer<Float>, row: Int, _ capacity: Int) -> TileLayout {
      layout(panels, row: row, capacity, product: rightProduct(capacity), width: rightPanelWidth)
    }

    private func layout(
      _ panels: UnsafeMutablePointer<Float>, row: Int, _ capacity: Int, product: Int, width: Int
    ) -> TileLayout {
      TileLayout(
        start: panels + row / rowsPerFloat * width, product: product, width: width, panel: floats(capacity) * width)
    }

    /// `C += Aᵀ · B` over some channels of a product.
    ///
    /// - Parameters:
    ///   - inputs: the channels of x, from the first of a panel on; `outputs` those of dy.
    ///   - left: the panels of the product; as `right`.
    func multiply(
      rows: Int, inputs: Range<Int>, outputs: Range<Int>, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
      capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int
    ) {
      let left = left + inputs.lowerBound * floats(capacity)
      let right = right + outputs.lowerBound * floats(capacity)
      if pairs == nil {
        gemm.multiplyTransposed(
          rows: rows, leftColumns: inputs.count, rightColumns: outputs.count, left: left, right: right,
          capacity: capacity, into: c, cStride: cStride)
      } else {
        gemm.multiplyTransposedRounded(
          rows: rows, leftColumns: inputs.count, rightColumns: outputs.count, left: left, right: right,
          capacity: capacity, into: c, cStride: cStride)
      }
    }

    /// Rows of a panel that share a float.
    var rowsPerFloat: Int { pairs == nil ? 1 : 2 }

    /// Floats that a column of a panel takes.
    private func floats(_ capacity: Int) -> Int { capacity / rowsPerFloat }

    var leftPanelWidth: Int { tiles.microkernels.leftPanelWidth }
    var rightPanelWidth: Int { tiles.microkernels.rightPanelWidth(columns: gradients) }

    /// Floats from product to product; a cache line more than needed, so that products do not share cache sets.
    func leftProduct(_ capacity: Int) -> Int { floats(capacity) * gemm.paddedLeft(rows) + 16 }
    func rightProduct(_ capacity: Int) -> Int { floats(capacity) * columns + 16 }
  }

  /// Few channels: a task transforms and multiplies a segment of the tiles, a block in cache at a time, into a sum of
  /// its own; the sums of the segments are added in order.
  private static func fused(
    _ operands: Operands, to dw: Filter, _ adding: Bool, on workers: WorkerPool
  ) {
    let tiles = operands.tiles
    let products = tiles.products
    let blocks = tiles.count.dividedRoundingUp(by: block)
    let perSegment = blocks.dividedRoundingUp(by: segments) * block
    let segments = tiles.count.dividedRoundingUp(by: perSegment)
    let whole = products * operands.sum
    let sums = Buffer(count: segments * whole)
    let (left, right) = (operands.leftProduct(block), operands.rightProduct(block))
    let size = products * (left + right) + tiles.workspaceCount
    let memory = Buffer(count: workers.threads * size)

    workers.parallelFor(segments) { segment, worker in
      let v = memory.start + worker * size
      let z = v + products * left
      let workspace = z + products * right
      let sum = sums.start + segment * whole
      sum.initialize(repeating: 0, count: whole)
      let end = min(tiles.count, (segment + 1) * perSegment)
      for first in stride(from: segment * perSegment, to: end, by: block) {
        let count = min(block, end - first)
        for row in stride(from: 0, to: count, by: 2) {
          operands.transform(
            tiles: first + row..<first + min(row + 2, count), row: row, capacity: block, left: v, right: z,
            workspace: workspace)
        }
        for product in 0..<products {
          operands.multiply(
            rows: count, inputs: 0..<operands.rows, outputs: 0..<operands.columns, left: v + product * left,
            right: z + product * right, capacity: block, into: sum + product * operands.sum,
            cStride: operands.columns)
        }
      }
    }
    if segments > 1 {
      workers.forEachChunk(of: whole, grain: 4096) { floats, _ in
        let first = floats.lowerBound
        for segment in 1..<segments {
          tiles.microkernels.add(sums.start + segment * whole + first, to: sums.start + first, count: floats.count)
        }
      }
    }
    let workspace = Buffer(count: workers.threads * WinogradFilter.gradientWorkspaceCount(tiles))
    workers.forEachChunk(of: operands.rows, grain: 8) { inputs, worker in
      WinogradFilter.gradient(
        sums.start + inputs.lowerBound * operands.columns, width: operands.columns, product: operands.sum,
        inputs: inputs, outputs: 0..<operands.columns, of: tiles, to: dw, adding: adding,
        workspace: workspace.start + worker * WinogradFilter.gradientWorkspaceCount(tiles))
    }
  }

  /// Many channels: all tiles are transformed; then a task multiplies some channels of x and of dy for all products,
  /// and transforms the sums to taps while they are in the cache.
  private static func multiPass(
    _ operands: Operands, to dw: Filter, _ adding: Bool, on workers: WorkerPool
  ) {
    let tiles = operands.tiles
    let products = tiles.products
    let limit = WinogradTiles.winogradWorkspaceLimit * operands.rowsPerFloat
    let most = max(block, limit / (products * (operands.rows + operands.columns)))
    let capacity = min(tiles.count, most).roundedUp(toMultipleOf: operands.rowsPerFloat)
    let (left, right) = (operands.leftProduct(capacity), operands.rightProduct(capacity))
    let memory = Buffer(count: products * (left + right))
    let v = memory.start
    let z = v + products * left
    let transformWorkspace = Buffer(count: workers.threads * tiles.workspaceCount)

    // Whole panels; as many channels of x as keep the sums in the L2 cache.
    let width = operands.rightPanelWidth >= operands.columns ? operands.columns : 4 * operands.rightPanelWidth
    let cached = (1 << 18) / (products * width) / operands.leftPanelWidth * operands.leftPanelWidth
    let height = max(operands.leftPanelWidth, min(64, cached))
    let down = operands.rows.dividedRoundingUp(by: height)
    let across = operands.columns.dividedRoundingUp(by: width)
    let sum = height * width + 16
    let size = products * sum + WinogradFilter.gradientWorkspaceCount(tiles)
    let workspace = Buffer(count: workers.threads * size)

    // An image with more tiles than the workspace holds is summed in parts.
    for first in stride(from: 0, to: tiles.count, by: capacity) {
      let count = min(capacity, tiles.count - first)
      workers.forEachChunk(of: count.dividedRoundingUp(by: 2), grain: 4) { pairs, worker in
        for pair in pairs {
          let row = 2 * pair
          operands.transform(
            tiles: first + row..<first + min(row + 2, count), row: row, capacity: capacity, left: v, right: z,
            workspace: transformWorkspace.start + worker * tiles.workspaceCount)
        }
      }
      workers.parallelFor(down * across) { task, worker in
        let inputs = task / across * height..<min(operands.rows, (task / across + 1) * height)
        let outputs = task % across * width..<min(operands.columns, (task % across + 1) * width)
        let sums = workspace.start + worker * size
        memset(sums, 0, products * sum * MemoryLayout<Float>.stride)
        for product in 0..<products {
          operands.multiply(
            rows: count, inputs: inputs, outputs: outputs, left: v + product * left, right: z + product * right,
            capacity: capacity, into: sums + product * sum, cStride: width)
        }
        WinogradFilter.gradient(
          sums, width: width, product: sum, inputs: inputs, outputs: outputs, of: tiles, to: dw,
          adding: adding || first > 0, workspace: sums + products * sum)
      }
    }
  }
}
