import Microkernels
import Tensors

/// Stride-1 3×3 convolution of one group of tiles (Lavin and Gray), in three steps: transform the inputs of each tile,
/// multiply matrices of tiles × channels, one for each product of a tile, and transform the results back.
///
/// The result of a tile has the same bits whatever other images there are, as `MatrixProduct` promises for each row.
enum WinogradConvolution {
  /// Writes the pixels under `tiles` of every image of `y`.
  static func forward(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    if filter.inputs * filter.outputs <= largestFusedFilter {
      fused(x, filter, tiles, into: y, epilogue, on: workers)
    } else {
      multiPass(x, filter, tiles, into: y, epilogue, on: workers)
    }
  }

  /// Channel pairs up to which a block of tiles goes through all three steps at once: its tiles stay in the L2 cache
  /// and the filter in the L3 cache. A larger filter would be read from memory again for each block.
  private static let largestFusedFilter = 304 * 256

  /// Blocking of `fused`: tiles of a block.
  private static func block(_ filter: WinogradFilter, _ tiles: WinogradTiles, _ gemm: MatrixProduct) -> Int {
    /// Floats of inputs and products, half of the L2 cache.
    let wanted = 1 << 17
    return gemm.roundedUpToTiles(
      min(96, max(24, wanted / (tiles.products * (filter.inputs + filter.outputs)))))
  }

  /// Few channels: a task takes a block of tiles through all three steps, in a workspace that stays in the cache.
  private static func fused(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    let gemm = MatrixProduct(on: workers)
    let block = block(filter, tiles, gemm)
    let inputs = TransformedTiles(channels: filter.inputs, tiles: block)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: block)
    let products = tiles.products
    let size =
      products * (inputs.product + outputs.product) + tiles.workspaceCount + gemm.workspaceCount
    let memory = Buffer(count: workers.threads * size)
    let blocks = tiles.count.dividedRoundingUp(by: block)

    workers.parallelFor(x.shape.images * blocks) { task, worker in
      let v = memory.start + worker * size
      let m = v + products * inputs.product
      let transformWorkspace = m + products * outputs.product
      let productWorkspace = transformWorkspace + tiles.workspaceCount
      let (image, index) = task.quotientAndRemainder(dividingBy: blocks)
      let first = index * block
      let count = min(block, tiles.count - first)

      for row in 0..<count {
        tiles.transformInput(
          x.elements(image: image), channels: filter.inputs, tile: first + row,
          to: inputs.layout(v + row * inputs.row), workspace: transformWorkspace)
      }
      for product in 0..<products {
        gemm.multiply(
          rows: count, v + product * inputs.product, aStride: inputs.row, filter.matrix(product),
          into: m + product * outputs.product, cStride: outputs.row, workspace: productWorkspace)
      }
      for row in 0..<count {
        tiles.transformOutput(
          m + row * outputs.row, product: outputs.product, tile: first + row, to: y.elements(image: image),
          channels: y.shape.stride, nonTemporal: y.usesNonTemporalStores, epilogue: epilogue?.pointers(image: image),
          workspace: transformWorkspace
        )
      }
    }
  }

  /// Many channels: each step processes all tiles, so that each matrix of the filter is read once.
  private static func multiPass(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    let gemm = MatrixProduct(on: workers)
    let products = tiles.products
    let total = x.shape.images * tiles.count
    // Blocking: tiles whose transforms fit into the workspace together, at least 96.
    let chunk = min(
      total, max(96, WinogradTiles.winogradWorkspaceLimit / (products * (filter.inputs + filter.outputs))))
    let inputs = TransformedTiles(channels: filter.inputs, tiles: chunk)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: chunk)
    let memory = Buffer(count: products * (inputs.product + outputs.product))
    let nonTemporal = NonTemporal.pays(floats: products * inputs.product) && filter.inputs % 16 == 0
    let v = memory.start
    let m = v + products * inputs.product
    let size = tiles.workspaceCount + gemm.workspaceCount
    let workspace = Buffer(count: workers.threads * size)
    /// Tiles of a task of a transform.
    let grain = 8

    /// Tiles that one matrix may hold.
    let tilesPerCall = gemm.imagesPerCall(x.shape.images) * tiles.count
    var start = 0
    while start < total {
      let count = min(chunk, tilesPerCall - start % tilesPerCall)
      defer { start += count }
      workers.forEachChunk(of: count, grain: grain) { rows, worker in
        for row in rows {
          let (image, tile) = (start + row).quotientAndRemainder(dividingBy: tiles.count)
          tiles.transformInput(
            x.elements(image: image), channels: filter.inputs, tile: tile,
            to: inputs.layout(v + row * inputs.row, nonTemporal: nonTemporal),
            workspace: workspace.start + worker * size)
        }
      }
      // Blocks of rows of about equal size, whole tiles of the GEMM microkernel.
      let parts = count.dividedRoundingUp(by: 2 * MatrixProduct.rowBlock)
      let part = gemm.roundedUpToTiles(count.dividedRoundingUp(by: parts))
      workers.parallelFor(products * parts) { task, worker in
        let product = task / parts
        let first = task % parts * part
        guard first < count else { return }
        gemm.multiply(
          rows: min(part, count - first), v + product * inputs.product + first * inputs.row, aStride: inputs.row,
          filter.matrix(product), into: m + product * outputs.product + first * outputs.row, cStride: outputs.row,
          workspace: workspace.start + worker * size + tiles.workspaceCount)
      }
      workers.forEachChunk(of: count, grain: grain) { rows, worker in
        for row in rows {
          let (image, tile) = (start + row).quotientAndRemainder(dividingBy: tiles.count)
          tiles.transformOutput(
            m + row * outputs.row, product: outputs.product, tile: tile, to: y.elements(image: image),
            channels: y.shape.stride, nonTemporal: y.usesNonTemporalStores, epilogue: epilogue?.pointers(image: image),
            workspace: workspace.start + worker * size)
        }
      }
    }
  }

  /// Transformed tiles, `[product][tile][channels]`.
  private struct TransformedTiles {
    /// Floats from tile to tile: not a large power of two, so that tiles do not share cache sets.
    let row: Int
    /// Floats from product to product; a cache line more than needed, for the same reason.
    let product: Int

    init(channels: Int, tiles: Int) {
      row = channels % 256 == 0 ? channels + 16 : channels
      product = tiles * row + 16
    }

    /// The layout of a tile with all channels contiguous.
    func layout(_ start: UnsafeMutablePointer<Float>, nonTemporal: Bool = false) -> TileLayout {
      TileLayout(start: start, product: product, width: row, panel: row, nonTemporal: nonTemporal)
    }
  }
}
