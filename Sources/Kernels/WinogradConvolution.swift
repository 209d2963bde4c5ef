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
    let inputs = TransformedTiles(channels: filter.inputs, tiles: block, pairs: filter.pairs)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: block)
    let products = tiles.products
    let size =
      products * (inputs.floats + outputs.floats) + tiles.workspaceCount + productWorkspaceCount(filter, gemm)
    let memory = Buffer(count: workers.threads * size)
    let blocks = tiles.count.dividedRoundingUp(by: block)

    workers.parallelFor(x.shape.images * blocks) { task, worker in
      let v = memory.start + worker * size
      let m = v + products * inputs.floats
      let transformWorkspace = m + products * outputs.product
      let productWorkspace = transformWorkspace + tiles.workspaceCount
      let (image, index) = task.quotientAndRemainder(dividingBy: blocks)
      let first = index * block
      let count = min(block, tiles.count - first)

      for row in 0..<count {
        inputs.transform(
          tiles, x.elements(image: image), tile: first + row, to: v, row: row, workspace: transformWorkspace)
      }
      for product in 0..<products {
        multiply(
          rows: 0..<count, of: v, inputs, filter, product, into: m, outputs, gemm, workspace: productWorkspace)
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
    let inputs = TransformedTiles(channels: filter.inputs, tiles: chunk, pairs: filter.pairs)
    let outputs = TransformedTiles(channels: filter.outputs, tiles: chunk)
    let memory = Buffer(count: products * (inputs.floats + outputs.floats))
    let nonTemporal = NonTemporal.pays(floats: products * inputs.floats) && filter.inputs % 16 == 0
    let v = memory.start
    let m = v + products * inputs.floats
    let size = tiles.workspaceCount + productWorkspaceCount(filter, gemm)
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
          inputs.transform(
            tiles, x.elements(image: image), tile: tile, to: v, row: row, nonTemporal: nonTemporal,
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
        multiply(
          rows: first..<min(first + part, count), of: v, inputs, filter, product, into: m, outputs, gemm,
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

  /// Multiplies some tiles with the matrix of one product.
  private static func multiply(
    rows: Range<Int>, of v: UnsafeMutablePointer<Float>, _ inputs: TransformedTiles, _ filter: WinogradFilter,
    _ product: Int, into m: UnsafeMutablePointer<Float>, _ outputs: TransformedTiles, _ gemm: MatrixProduct,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let source = product * inputs.product + rows.lowerBound * inputs.row
    let target = m + product * outputs.product + rows.lowerBound * outputs.row
    if filter.pairs == nil {
      gemm.multiply(
        rows: rows.count, v + source, aStride: inputs.row, filter.matrix(product), into: target, cStride: outputs.row,
        workspace: workspace)
    } else {
      gemm.multiplyRounded(
        rows: rows.count, columns: 0..<filter.outputs, ElementPointer(UnsafeMutableRawPointer(v), .bfloat16) + source,
        aStride: inputs.row, filter.roundedMatrix(product), into: ElementPointer(target), cStride: outputs.row,
        workspace: workspace)
    }
  }

  /// Floats of workspace that `multiply` needs.
  private static func productWorkspaceCount(_ filter: WinogradFilter, _ gemm: MatrixProduct) -> Int {
    filter.pairs?.roundedWorkspaceCount(depth: filter.inputs) ?? gemm.workspaceCount
  }

  /// Transformed tiles, `[product][tile][channels]`.
  private struct TransformedTiles {
    let channels: Int
    /// What multiplies them if they are rounded to bfloat16.
    let pairs: (any PairMicrokernelSet.Type)?
    /// Numbers from tile to tile: not a large power of two, so that tiles do not share cache sets.
    let row: Int
    /// Numbers from product to product; a cache line more than needed, for the same reason.
    let product: Int

    init(channels: Int, tiles: Int, pairs: (any PairMicrokernelSet.Type)? = nil) {
      self.channels = channels
      self.pairs = pairs
      row = channels % 256 == 0 ? channels + 16 : channels
      product = pairs == nil ? tiles * row + 16 : (tiles * row).roundedUp(toMultipleOf: 32) + 32
    }

    /// Floats of memory of a product.
    var floats: Int { pairs == nil ? product : product / 2 }

    /// Transforms a tile into row `row`.
    func transform(
      _ tiles: WinogradTiles, _ image: ElementPointer, tile: Int, to start: UnsafeMutablePointer<Float>, row index: Int,
      nonTemporal: Bool = false, workspace: UnsafeMutablePointer<Float>
    ) {
      if let pairs {
        let target: Elements<BFloat16> = ElementPointer(UnsafeMutableRawPointer(start), .bfloat16).elements()
        tiles.transformInputRounded(
          image, channels: channels, tile: tile, to: target + index * row, product: product, workspace: workspace,
          with: pairs)
      } else {
        tiles.transformInput(
          image, channels: channels, tile: tile,
          to: TileLayout(
            start: start + index * row, product: product, width: row, panel: row, nonTemporal: nonTemporal),
          workspace: workspace)
      }
    }
  }
}
