import Loops
import Tensors

/// The gradient of the weights of a stride-1 3×3 convolution, `dw = Gᵀ [ Σ (Bᵀ x B) ⊙ (A dy Aᵀ) ] G`, one picture and
/// one kind of tiles at a time.
///
/// The sum over tiles is taken in an order that depends on the picture's size and the channels alone.
enum WinogradWeightGradient {
  /// Writes to `dw`, or adds to it, what the tiles of one picture contribute.
  ///
  /// - Parameters:
  ///   - x: whole vectors a pixel, as `dy`.
  ///   - adding: whether to add to what `dw` holds.
  static func add(
    _ x: Tensor, _ dy: Tensor, picture: Int, _ tiles: WinogradTiles, to dw: Filter, adding: Bool,
    on workers: WorkerPool
  ) {
    let rows = x.shape.stride
    let columns = MatrixProduct.paddedRight(dy.shape.stride)
    let operands = Operands(
      x: x.picture(picture), dy: dy.picture(picture), rows: rows,
      gradients: dy.shape.stride, columns: columns, tiles: tiles)
    let du =
      rows * columns <= largestForSegments
      ? segmentBySegment(operands, on: workers) : productByProduct(operands, on: workers)
    WinogradFilter.gradient(
      du.start, width: columns, product: operands.sum, of: tiles, to: dw, adding: adding, on: workers)
  }

  /// Channel pairs up to which segments of the picture have sums of their own.
  private static let largestForSegments = 128 * 128

  /// Tiles transformed at a time within a segment.
  private static let block = 48

  /// Segments of a picture.
  private static let segments = 16

  private struct Operands {
    let x: UnsafeMutablePointer<Float>
    let dy: UnsafeMutablePointer<Float>
    /// Channels of x, padding included: rows of each sum.
    let rows: Int
    /// Channels of dy, padding included.
    let gradients: Int
    /// Those in whole panels: columns of each sum.
    let columns: Int
    let tiles: WinogradTiles

    /// Floats from one sum to the next.
    var sum: Int { rows * columns + 16 }

    /// Transforms a tile into row `row` of panels that hold `capacity` rows.
    func transform(
      tile: Int, row: Int, capacity: Int, left: UnsafeMutablePointer<Float>, right: UnsafeMutablePointer<Float>,
      scratch: UnsafeMutablePointer<Float>
    ) {
      tiles.transformInput(
        x, channels: rows, tile: tile,
        to: layout(left, row: row, capacity, product: leftProduct(capacity), width: leftWidth), scratch: scratch)
      tiles.transformGradient(
        dy, channels: gradients, tile: tile,
        to: layout(right, row: row, capacity, product: rightProduct(capacity), width: rightWidth), scratch: scratch)
      guard gradients < columns else { return }
      // The rest of the last panel.
      let last = (columns - rightWidth) * capacity + row * rightWidth
      for product in 0..<tiles.products {
        for column in stride(from: gradients - (columns - rightWidth), to: rightWidth, by: 8) {
          right.store(Vector(), product * rightProduct(capacity) + last + column)
        }
      }
    }

    private func layout(
      _ panels: UnsafeMutablePointer<Float>, row: Int, _ capacity: Int, product: Int, width: Int
    ) -> TileLayout {
      TileLayout(start: panels + row * width, product: product, width: width, panel: capacity * width)
    }

    private var leftWidth: Int { loops.leftWidth }
    private var rightWidth: Int { loops.rightWidth(columns: gradients) }

    /// Floats from product to product, a line more than needed to keep them out of each other's cache sets.
    func leftProduct(_ capacity: Int) -> Int { capacity * MatrixProduct.paddedLeft(rows) + 16 }
    func rightProduct(_ capacity: Int) -> Int { capacity * columns + 16 }
  }

  /// Few channels: a task sums a segment of the tiles, block by block in cache, into a sum of its own; the sums of the
  /// segments are added in order.
  private static func segmentBySegment(_ operands: Operands, on workers: WorkerPool) -> Buffer {
    let tiles = operands.tiles
    let products = tiles.products
    let blocks = (tiles.count + block - 1) / block
    let perSegment = (blocks + segments - 1) / segments * block
    let segments = (tiles.count + perSegment - 1) / perSegment
    let whole = products * operands.sum
    let sums = Buffer(count: segments * whole)
    let (left, right) = (operands.leftProduct(block), operands.rightProduct(block))
    let size = products * (left + right) + WinogradTiles.scratch
    let memory = Buffer(count: workers.threads * size)

    workers.run(segments) { segment, worker in
      let v = memory.start + worker * size
      let z = v + products * left
      let scratch = z + products * right
      let sum = sums.start + segment * whole
      sum.initialize(repeating: 0, count: whole)
      let end = min(tiles.count, (segment + 1) * perSegment)
      for first in stride(from: segment * perSegment, to: end, by: block) {
        let count = min(block, end - first)
        for row in 0..<count {
          operands.transform(tile: first + row, row: row, capacity: block, left: v, right: z, scratch: scratch)
        }
        for product in 0..<products {
          MatrixProduct.multiplyTransposed(
            rows: count, leftColumns: operands.rows, rightColumns: operands.columns, left: v + product * left,
            right: z + product * right, capacity: block, into: sum + product * operands.sum,
            cStride: operands.columns)
        }
      }
    }
    guard segments > 1 else { return sums }
    let run = 4096
    workers.run((whole + run - 1) / run) { task, _ in
      for index in stride(from: task * run, to: min(whole, task * run + run), by: 8) {
        var sum = sums.start.vector(index)
        for segment in 1..<segments { sum += sums.start.vector(segment * whole + index) }
        sums.start.store(sum, index)
      }
    }
    return sums
  }

  /// Many channels: all tiles are transformed, then a task sums over all of them for one product and some channels.
  private static func productByProduct(_ operands: Operands, on workers: WorkerPool) -> Buffer {
    let tiles = operands.tiles
    let products = tiles.products
    let capacity = min(tiles.count, max(block, Buffer.largestStage / (products * (operands.rows + operands.columns))))
    let (left, right) = (operands.leftProduct(capacity), operands.rightProduct(capacity))
    let memory = Buffer(count: products * (left + right))
    let v = memory.start
    let z = v + products * left
    let scratch = Buffer(count: workers.threads * WinogradTiles.scratch)
    let sums = Buffer(count: products * operands.sum)
    let run = 8
    let channels = 256
    let parts = (operands.rows + channels - 1) / channels

    for first in stride(from: 0, to: tiles.count, by: capacity) {
      let count = min(capacity, tiles.count - first)
      workers.run((count + run - 1) / run) { task, worker in
        for row in task * run..<min(count, task * run + run) {
          operands.transform(
            tile: first + row, row: row, capacity: capacity, left: v, right: z,
            scratch: scratch.start + worker * WinogradTiles.scratch)
        }
      }
      workers.run(products * parts) { task, _ in
        let (product, part) = task.quotientAndRemainder(dividingBy: parts)
        let from = part * channels
        let width = min(channels, operands.rows - from)
        let sum = sums.start + product * operands.sum + from * operands.columns
        if first == 0 { sum.initialize(repeating: 0, count: width * operands.columns) }
        MatrixProduct.multiplyTransposed(
          rows: count, leftColumns: width, rightColumns: operands.columns,
          left: v + product * left + from * capacity, right: z + product * right, capacity: capacity, into: sum,
          cStride: operands.columns)
      }
    }
    return sums
  }
}
