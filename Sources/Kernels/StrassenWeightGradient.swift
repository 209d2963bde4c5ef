import Glibc
import Tensors

/// `dW = Xᵀ · dZ` of a 1×1 convolution by `StrassenAlgorithm`, block by block.
///
/// The seven products of a block are summed over all pixels of a picture before they are put together, so that the
/// algorithm costs nothing but the additions of pixels on their way into panels. Halved are the columns of X and of
/// dZ, and each run of pixels.
enum StrassenWeightGradient {
  /// Side of a block of dW.
  private static let side = 256
  private static let half = side / 2
  /// Pixels packed at a time, in each half.
  private static let chunk = 256
  /// Room for so many in a panel: no large power of two, so that panels do not share cache sets.
  private static let capacity = chunk + 4
  /// Pixels that all blocks go through before the next, as in `WeightGradient`.
  private static let run = 2048

  static func serves(_ x: Tensor, _ dz: Tensor) -> Bool {
    x.shape.channels % side == 0 && dz.shape.channels % side == 0 && x.shape.pixelsPerPicture % 2 == 0
      && x.shape.pixelsPerPicture >= 1024
  }

  /// Overwrites `dw` with the gradient.
  static func compute(_ x: Tensor, _ dz: Tensor, into dw: Filter, on workers: WorkerPool) {
    let pixels = x.shape.pixelsPerPicture
    let (down, across) = (dw.inputs / side, dw.outputs / side)
    let blocks = down * across
    let quarter = half * half
    let count = StrassenAlgorithm.products.count * quarter
    let sums = PartialSums(pictures: x.shape.pictures, segments: 1, count: blocks * count)
    let size = 2 * capacity * half
    let panels = Buffer(count: workers.threads * size)

    for begin in stride(from: 0, to: pixels, by: run) {
      workers.run(sums.pictures * blocks) { task, worker in
        let (picture, block) = task.quotientAndRemainder(dividingBy: blocks)
        let left = x.picture(picture) + block / across * side
        let right = dz.picture(picture) + block % across * side
        let target = sums.part(picture, 0) + block * count
        if begin == 0 { memset(target, 0, count * MemoryLayout<Float>.stride) }
        let leftPanels = panels.start + worker * size
        let rightPanels = leftPanels + capacity * half
        for first in stride(from: begin, to: min(pixels, begin + run), by: 2 * chunk) {
          let rows = min(2 * chunk, pixels - first) / 2
          /// Xᵀ has the pixels as columns: its quarters are those of X with row and column exchanged.
          func ofX(_ quarter: StrassenAlgorithm.Quarter) -> UnsafePointer<Float> {
            UnsafePointer(left) + (first + quarter.column * rows) * x.shape.stride + quarter.row * half
          }
          func ofDZ(_ quarter: StrassenAlgorithm.Quarter) -> UnsafePointer<Float> {
            UnsafePointer(right) + (first + quarter.row * rows) * dz.shape.stride + quarter.column * half
          }
          for (index, product) in StrassenAlgorithm.products.enumerated() {
            MatrixProduct.packLeft(
              rows: rows, columns: half, from: ofX(product.a.first), plus: product.a.sign,
              times: product.a.second.map(ofX), rowStride: x.shape.stride, capacity: capacity, into: leftPanels)
            MatrixProduct.packRight(
              rows: rows, columns: half, from: ofDZ(product.b.first), plus: product.b.sign,
              times: product.b.second.map(ofDZ), rowStride: dz.shape.stride, capacity: capacity, into: rightPanels)
            MatrixProduct.multiplyTransposed(
              rows: rows, leftColumns: half, rightColumns: half, left: leftPanels, right: rightPanels,
              capacity: capacity, into: target + index * quarter, cStride: half)
          }
        }
      }
    }

    // Join the pictures, put the products together, a few rows of a block at a time.
    let lines = 16
    workers.run(blocks * (half / lines)) { task, _ in
      let (block, strip) = task.quotientAndRemainder(dividingBy: half / lines)
      let first = strip * lines
      for index in StrassenAlgorithm.products.indices {
        let start = block * count + index * quarter + first * half
        sums.join(start..<start + lines * half)
      }
      for (index, product) in StrassenAlgorithm.products.enumerated() {
        let source = sums.part(0, 0) + block * count + index * quarter + first * half
        for (place, sign, isFirst) in product.targets {
          let row = block / across * side + place.row * half + first
          let target = dw.start + row * dw.outputs + block % across * side + place.column * half
          loops.combine(
            rows: lines, columns: half, isFirst ? 0 : 1, isFirst ? UnsafePointer(source) : UnsafePointer(target),
            isFirst ? half : dw.outputs, sign, source, half, into: target, dw.outputs)
        }
      }
    }
  }
}
