import Glibc
import Tensors

/// `dW = Xᵀ · dZ` of a 1×1 convolution by `StrassenAlgorithm`, block by block.
///
/// The seven products of a block are summed over all pixels of an image before they are combined, so the algorithm
/// costs only the additions while pixels are packed. The columns of X and of dZ and each run of pixels are halved.
enum StrassenWeightGradient {
  /// Pixels packed at a time in each half.
  private static let chunk = 256
  /// Capacity of a panel: not a large power of two, so that panels do not share cache sets.
  private static let capacity = chunk + 4
  /// Pixels that all products process before the next run, as in `WeightGradient`.
  private static let run = 1024

  /// Whether the operands are large enough to gain, and can be halved.
  static func isProfitable(_ x: Tensor, _ dz: Tensor) -> Bool {
    x.shape.channels % 256 == 0 && dz.shape.channels % 256 == 0 && x.shape.pixelsPerImage % 2 == 0
      && x.shape.pixelsPerImage >= 1024
  }

  /// Half the side of a block along an axis of dW. Larger blocks pack each pixel fewer times; panels of 256 channels
  /// and their product fill the L2 cache.
  private static func half(_ channels: Int) -> Int { channels % 512 == 0 ? 256 : 128 }

  /// Overwrites `dw` with the gradient.
  static func compute(_ x: Tensor, _ dz: Tensor, into dw: Filter, on workers: WorkerPool) {
    let microkernels = workers.microkernels
    let gemm = MatrixProduct(on: workers)
    let pixels = x.shape.pixelsPerImage
    let (height, width) = (half(dw.inputs), half(dw.outputs))
    let (down, across) = (dw.inputs / (2 * height), dw.outputs / (2 * width))
    let products = StrassenAlgorithm.products
    /// Floats of one product of a block; the products of a block are contiguous.
    let quarter = height * width
    let sums = PartialSums(
      images: x.shape.images, segments: 1, count: down * across * products.count * quarter, on: workers)
    let size = capacity * (height + width)
    let panels = Buffer(count: workers.threads * size)

    for begin in stride(from: 0, to: pixels, by: run) {
      workers.parallelFor(sums.images * down * across * products.count) { task, worker in
        let (image, place) = task.quotientAndRemainder(dividingBy: down * across * products.count)
        let block = place / products.count
        let product = products[place % products.count]
        let left = x.image(image) + block / across * 2 * height
        let right = dz.image(image) + block % across * 2 * width
        let target = sums.part(image, 0) + place * quarter
        if begin == 0 { memset(target, 0, quarter * MemoryLayout<Float>.stride) }
        let leftPanels = panels.start + worker * size
        let rightPanels = leftPanels + capacity * height
        for first in stride(from: begin, to: min(pixels, begin + run), by: 2 * chunk) {
          let rows = min(2 * chunk, pixels - first) / 2
          /// Xᵀ has the pixels as columns: its quarters are those of X with row and column exchanged.
          func ofX(_ quarter: StrassenAlgorithm.Quarter) -> UnsafePointer<Float> {
            UnsafePointer(left) + (first + quarter.column * rows) * x.shape.stride + quarter.row * height
          }
          func ofDZ(_ quarter: StrassenAlgorithm.Quarter) -> UnsafePointer<Float> {
            UnsafePointer(right) + (first + quarter.row * rows) * dz.shape.stride + quarter.column * width
          }
          gemm.packLeft(
            rows: rows, columns: height, from: ofX(product.a.first), plus: product.a.sign,
            times: product.a.second.map(ofX), rowStride: x.shape.stride, capacity: capacity, into: leftPanels)
          gemm.packRight(
            rows: rows, columns: width, from: ofDZ(product.b.first), plus: product.b.sign,
            times: product.b.second.map(ofDZ), rowStride: dz.shape.stride, capacity: capacity, into: rightPanels)
          gemm.multiplyTransposed(
            rows: rows, leftColumns: height, rightColumns: width, left: leftPanels, right: rightPanels,
            capacity: capacity, into: target, cStride: width)
        }
      }
    }

    // Add the images and combine the products, a few rows of a block at a time.
    let lines = 16
    workers.parallelFor(down * across * (height / lines)) { task, _ in
      let (block, strip) = task.quotientAndRemainder(dividingBy: height / lines)
      let first = strip * lines
      for (index, product) in products.enumerated() {
        let start = (block * products.count + index) * quarter + first * width
        sums.join(start..<start + lines * width)
        let source = sums.part(0, 0) + start
        for (place, sign, isFirst) in product.targets {
          let row = (2 * (block / across) + place.row) * height + first
          let target = dw.start + row * dw.outputs + (2 * (block % across) + place.column) * width
          microkernels.linearCombination(
            rows: lines, columns: width, isFirst ? 0 : 1, isFirst ? UnsafePointer(source) : UnsafePointer(target),
            isFirst ? width : dw.outputs, sign, source, width, into: target, dw.outputs)
        }
      }
    }
  }
}
