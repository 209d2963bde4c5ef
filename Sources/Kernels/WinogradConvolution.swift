import Microkernels
import Tensors

/// Stride-1 3×3 convolution of one kind of tiles, in three steps: transform the inputs of each tile, multiply matrices
/// of tiles × channels, one for each product of a tile, and transform the results back.
///
/// A tile's result is the same to the bit whatever other images there are, as `MatrixProduct` promises for each row.
enum WinogradConvolution {
  /// Writes the pixels under `tiles` of every image of `y`.
  static func forward(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    if filter.inputs * filter.outputs <= largestFilterForBlocks {
      blockByBlock(x, filter, tiles, into: y, epilogue, on: workers)
    } else {
      productByProduct(x, filter, tiles, into: y, epilogue, on: workers)
    }
  }

  /// Channel pairs up to which a block of tiles goes through all three steps at once: its tiles stay in the
  /// second-level cache and the filter in the third. A larger filter would come from memory again for each block.
  private static let largestFilterForBlocks = 304 * 256

  /// Tiles in such a block.
  private static func block(_ filter: WinogradFilter, _ tiles: WinogradTiles) -> Int {
    /// Floats of inputs and products, half of the second-level cache.
    let wanted = 1 << 17
    return MatrixProduct.roundedUpToTiles(min(96, max(24, wanted / (tiles.products * (filter.inputs + filter.outputs)))))
  }

  /// Few channels: a task takes a block of tiles from input to output, in memory of its own that stays in the cache.
  private static func blockByBlock(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    let block = block(filter, tiles)
    let inputs = TransformedTiles(channels: filter.inputs, tiles: block)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: block)
    let products = tiles.products
    let size = products * (inputs.product + outputs.product) + WinogradTiles.workspaceCount + MatrixProduct.workspaceCount
    let memory = Buffer(count: workers.threads * size)
    let blocks = (tiles.count + block - 1) / block

    workers.parallelFor(x.shape.images * blocks) { task, worker in
      let v = memory.start + worker * size
      let m = v + products * inputs.product
      let transformWorkspace = m + products * outputs.product
      let productWorkspace = transformWorkspace + WinogradTiles.workspaceCount
      let (image, index) = task.quotientAndRemainder(dividingBy: blocks)
      let first = index * block
      let count = min(block, tiles.count - first)

      for row in 0..<count {
        tiles.transformInput(
          x.image(image), channels: filter.inputs, tile: first + row,
          to: inputs.layout(v + row * inputs.row), workspace: transformWorkspace)
      }
      for product in 0..<products {
        MatrixProduct.multiply(
          rows: count, v + product * inputs.product, aStride: inputs.row, filter.matrix(product),
          into: m + product * outputs.product, cStride: outputs.row, workspace: productWorkspace)
      }
      for row in 0..<count {
        tiles.transformOutput(
          m + row * outputs.row, product: outputs.product, tile: first + row, to: y.image(image),
          channels: y.shape.stride, nonTemporal: y.usesNonTemporalStores, epilogue: epilogue?.pointers(image: image), workspace: transformWorkspace
        )
      }
    }
  }

  /// Many channels: each step goes over all tiles, so that each matrix of the filter is read once.
  private static func productByProduct(
    _ x: Tensor, _ filter: WinogradFilter, _ tiles: WinogradTiles, into y: Tensor, _ epilogue: Epilogue?,
    on workers: WorkerPool
  ) {
    let products = tiles.products
    let total = x.shape.images * tiles.count
    let chunk = min(total, max(96, WinogradTiles.winogradWorkspaceLimit / (products * (filter.inputs + filter.outputs))))
    let inputs = TransformedTiles(channels: filter.inputs, tiles: chunk)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: chunk)
    let memory = Buffer(count: products * (inputs.product + outputs.product))
    let nonTemporal = NonTemporal.pays(floats: products * inputs.product) && filter.inputs % 16 == 0
    let v = memory.start
    let m = v + products * inputs.product
    let size = WinogradTiles.workspaceCount + MatrixProduct.workspaceCount
    let workspace = Buffer(count: workers.threads * size)
    let run = 8

    /// Tiles that may be chunked as if they were one image's.
    let together = MatrixProduct.imagesPerCall(x.shape.images) * tiles.count
    var start = 0
    while start < total {
      let count = min(chunk, together - start % together)
      defer { start += count }
      let runs = (count + run - 1) / run
      workers.parallelFor(runs) { task, worker in
        for row in task * run..<min(count, task * run + run) {
          let (image, tile) = (start + row).quotientAndRemainder(dividingBy: tiles.count)
          tiles.transformInput(
            x.image(image), channels: filter.inputs, tile: tile,
            to: inputs.layout(v + row * inputs.row, nonTemporal: nonTemporal), workspace: workspace.start + worker * size)
        }
      }
      // Blocks of rows of about equal size, whole tiles of the matrix product.
      let parts = (count + 2 * MatrixProduct.rowBlock - 1) / (2 * MatrixProduct.rowBlock)
      let part = MatrixProduct.roundedUpToTiles((count + parts - 1) / parts)
      workers.parallelFor(products * parts) { task, worker in
        let product = task / parts
        let first = task % parts * part
        guard first < count else { return }
        MatrixProduct.multiply(
          rows: min(part, count - first), v + product * inputs.product + first * inputs.row, aStride: inputs.row,
          filter.matrix(product), into: m + product * outputs.product + first * outputs.row, cStride: outputs.row,
          workspace: workspace.start + worker * size + WinogradTiles.workspaceCount)
      }
      workers.parallelFor(runs) { task, worker in
        for row in task * run..<min(count, task * run + run) {
          let (image, tile) = (start + row).quotientAndRemainder(dividingBy: tiles.count)
          tiles.transformOutput(
            m + row * outputs.row, product: outputs.product, tile: tile, to: y.image(image),
            channels: y.shape.stride, nonTemporal: y.usesNonTemporalStores, epilogue: epilogue?.pointers(image: image),
            workspace: workspace.start + worker * size)
        }
      }
    }
  }

  /// Transformed tiles, `[product][tile][channels]`.
  private struct TransformedTiles {
    /// Floats from tile to tile: no large power of two, so that tiles do not share cache sets.
    let row: Int
    /// Floats from product to product, for the same reason a line more than needed.
    let product: Int

    init(channels: Int, tiles: Int) {
      row = channels % 256 == 0 ? channels + 16 : channels
      product = tiles * row + 16
    }

    /// All channels of a tile side by side.
    func layout(_ start: UnsafeMutablePointer<Float>, nonTemporal: Bool = false) -> TileLayout {
      TileLayout(start: start, product: product, width: row, panel: row, nonTemporal: nonTemporal)
    }
  }
}
