import Microkernels
import Tensors

/// `C = A · B` over the pixels of each image by `StrassenAlgorithm`: the upper rows of A are the first half of an
/// image's pixels. The result of an image does not depend on the others in the batch.
struct StrassenProduct {
  /// The seven sums of quarters of B, packed.
  private let packed: [PackedBStorage]
  private let depth: Int
  private let columns: Int

  /// Whether the product is large enough to gain, and its sides are even.
  static func isProfitable(rows: Int, depth: Int, columns: Int) -> Bool {
    rows >= 1024 && rows % 2 == 0 && depth >= 256 && depth % 16 == 0 && columns >= 256
      && columns % (2 * PackedBStorage.grain) == 0
  }

  /// - Parameter source: element (i, j) of the `depth` × `columns` matrix B is
  ///   `source[i * rowStride + j * columnStride]`.
  init(
    depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int = 1,
    on workers: WorkerPool
  ) {
    self.depth = depth
    self.columns = columns
    let (rows, width) = (depth / 2, columns / 2)
    let microkernels = workers.microkernels
    let sum = Buffer(count: rows * width)
    func corner(_ quarter: StrassenAlgorithm.Quarter) -> UnsafePointer<Float> {
      source + quarter.row * rows * rowStride + quarter.column * width * columnStride
    }
    packed = StrassenAlgorithm.products.map { product in
      guard let second = product.b.second else {
        return PackedBStorage(
          depth: rows, columns: width, from: corner(product.b.first), rowStride: rowStride, columnStride: columnStride,
          on: workers)
      }
      // Along the lines that are contiguous in memory, rows or columns of B.
      let (lines, run, step) = columnStride == 1 ? (rows, width, rowStride) : (width, rows, columnStride)
      let (left, right) = (corner(product.b.first), corner(second))
      workers.forEachChunk(of: lines, grain: 16) { lines, _ in
        let line = lines.lowerBound
        microkernels.linearCombination(
          rows: lines.count, columns: run, 1, left + line * step, step, product.b.sign, right + line * step, step,
          into: sum.start + line * run, run)
      }
      return PackedBStorage(
        depth: rows, columns: width, from: sum.start, rowStride: columnStride == 1 ? run : 1,
        columnStride: columnStride == 1 ? 1 : run, on: workers)
    }
  }

  /// Rows of each half that a task takes.
  private static let block = 96

  /// Columns of a product that stay in the cache until they are added to C.
  private static let strip = 128

  /// Overwrites `c`.
  func multiply(_ a: Tensor, into c: Tensor, epilogue: Epilogue?, on workers: WorkerPool) {
    let microkernels = workers.microkernels
    let gemm = MatrixProduct(on: workers)
    let half = a.shape.pixelsPerImage / 2
    let (aStride, cStride) = (a.shape.stride, c.shape.stride)
    let (depth, columns) = (depth / 2, columns / 2)
    let copyStride = depth + 16
    let stripStride = Self.strip + 16
    let size = Self.block * (copyStride + stripStride) + gemm.workspaceCount
    let workspace = Buffer(count: workers.threads * size)
    let blocks = half.dividedRoundingUp(by: Self.block)

    workers.parallelFor(a.shape.images * blocks) { task, worker in
      let (image, block) = task.quotientAndRemainder(dividingBy: blocks)
      let first = block * Self.block
      let rows = min(Self.block, half - first)
      let copy = workspace.start + worker * size
      let result = copy + Self.block * copyStride
      let productWorkspace = result + Self.block * stripStride
      func ofA(_ quarter: StrassenAlgorithm.Quarter) -> UnsafeMutablePointer<Float> {
        a.image(image) + (quarter.row * half + first) * aStride + quarter.column * depth
      }
      for (product, packed) in zip(StrassenAlgorithm.products, packed) {
        microkernels.linearCombination(
          rows: rows, columns: depth, 1, ofA(product.a.first), aStride, product.a.sign,
          ofA(product.a.second ?? product.a.first), aStride, into: copy, copyStride)
        for column in stride(from: 0, to: columns, by: Self.strip) {
          let width = min(Self.strip, columns - column)
          gemm.multiply(
            rows: rows, columns: column..<column + width, copy, aStride: copyStride, packed.matrix, into: result,
            cStride: stripStride, workspace: productWorkspace)
          for (quarter, sign, isFirst) in product.targets {
            let place = (quarter.row * half + first) * cStride + quarter.column * columns + column
            let target = c.image(image) + place
            microkernels.linearCombination(
              rows: rows, columns: width, isFirst ? 0 : 1, isFirst ? UnsafePointer(result) : UnsafePointer(target),
              isFirst ? stripStride : cStride, sign, result, stripStride, into: target, cStride)
          }
        }
      }
      guard let epilogue else { return }
      for lower in [0, 1] {
        let offset = (image * 2 * half + lower * half + first) * cStride
        microkernels.applyEpilogue(
          epilogue.pointers(at: offset), to: c.start + offset, rows: rows, columns: 2 * columns, stride: cStride)
      }
    }
  }
}
