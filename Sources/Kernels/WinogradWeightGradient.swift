import Glibc
import Microkernels
import Tensors

/// The gradient of the weights of a stride-1 3×3 convolution, `dw = Gᵀ [ Σ (Bᵀ x B) ⊙ (A dy Aᵀ) ] G`, one image and one
/// group of tiles at a time. The order of the sum over tiles depends on the image's size and the channels alone.
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
      gradients: dy.shape.stride, columns: columns, tiles: tiles, gemm: gemm)
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

    /// Floats from one sum to the next.
    var sum: Int { rows * columns + 16 }

    /// Transforms a tile into row `row` of panels that hold `capacity` rows.
    func transform(
      tile: Int, row: Int, capacity: Int, left: UnsafeMutablePointer<Float>, right: UnsafeMutablePointer<Float>,
      workspace: UnsafeMutablePointer<Float>
    ) {
      tiles.transformInput(
        x, channels: rows, tile: tile,
        to: layout(left, row: row, capacity, product: leftProduct(capacity), width: leftPanelWidth),
        workspace: workspace)
      tiles.transformGradient(
        dy, channels: gradients, tile: tile,
        to: layout(right, row: row, capacity, product: rightProduct(capacity), width: rightPanelWidth),
        workspace: workspace)
      guard gradients < columns else { return }
      // Clear the rest of the last panel.
      let last = (columns - rightPanelWidth) * capacity + row * rightPanelWidth
      for product in 0..<tiles.products {
        for column in stride(from: gradients - (columns - rightPanelWidth), to: rightPanelWidth, by: 8) {
          right.store(Vector(), product * rightProduct(capacity) + last + column)
        }
      }
    }

    private func layout(
      _ panels: UnsafeMutablePointer<Float>, row: Int, _ capacity: Int, product: Int, width: Int
    ) -> TileLayout {
      TileLayout(start: panels + row * width, product: product, width: width, panel: capacity * width)
    }

    var leftPanelWidth: Int { tiles.microkernels.leftPanelWidth }
    var rightPanelWidth: Int { tiles.microkernels.rightPanelWidth(columns: gradients) }

    /// Floats from product to product; a cache line more than needed, so that products do not share cache sets.
    func leftProduct(_ capacity: Int) -> Int { capacity * gemm.paddedLeft(rows) + 16 }
    func rightProduct(_ capacity: Int) -> Int { capacity * columns + 16 }
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
        for row in 0..<count {
          operands.transform(tile: first + row, row: row, capacity: block, left: v, right: z, workspace: workspace)
        }
        for product in 0..<products {
          operands.gemm.multiplyTransposed(
            rows: count, leftColumns: operands.rows, rightColumns: operands.columns, left: v + product * left,
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
    let capacity = min(
      tiles.count, max(block, WinogradTiles.winogradWorkspaceLimit / (products * (operands.rows + operands.columns))))
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
      workers.forEachChunk(of: count, grain: 8) { rows, worker in
        for row in rows {
          operands.transform(
            tile: first + row, row: row, capacity: capacity, left: v, right: z,
            workspace: transformWorkspace.start + worker * tiles.workspaceCount)
        }
      }
      workers.parallelFor(down * across) { task, worker in
        let inputs = task / across * height..<min(operands.rows, (task / across + 1) * height)
        let outputs = task % across * width..<min(operands.columns, (task % across + 1) * width)
        let sums = workspace.start + worker * size
        memset(sums, 0, products * sum * MemoryLayout<Float>.stride)
        for product in 0..<products {
          operands.gemm.multiplyTransposed(
            rows: count, leftColumns: inputs.count, rightColumns: outputs.count,
            left: v + product * left + inputs.lowerBound * capacity,
            right: z + product * right + outputs.lowerBound * capacity, capacity: capacity, into: sums + product * sum,
            cStride: width)
        }
        WinogradFilter.gradient(
          sums, width: width, product: sum, inputs: inputs, outputs: outputs, of: tiles, to: dw,
          adding: adding || first > 0, workspace: sums + products * sum)
      }
    }
  }
}
