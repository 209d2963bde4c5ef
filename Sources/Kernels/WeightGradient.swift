import Glibc
import Microkernels
import Tensors

/// `dW = Xᵀ · dZ`, the weight gradient of convolutions that are computed by GEMM.
///
/// The rows of X and dZ are pixels of the output; the columns of X are what the convolution multiplies with the rows of
/// W. Tasks are blocks of dW; if there are few, the pixels of an image are cut into segments as well.
enum WeightGradient {
  /// Side of a block of dW: with its panels it fits in the L2 cache.
  private static let side = 256
  /// Pixels of a segment that all blocks process before the next run: as many as stay in the L3 cache.
  private static let run = 1024
  /// Pixels packed at a time.
  private static let chunk = 256
  /// Capacity of a panel, even: not a large power of two, so that panels do not share cache sets.
  private static let capacity = chunk + 4

  /// - Parameters:
  ///   - columns: columns of X, a multiple of 8.
  ///   - dz: gradient of the output, `[N, H, W, K]`, more than one channel.
  ///   - dw: the gradient, which is overwritten; rows of K floats.
  ///   - row: the row of dW that a column of X belongs to; nil if the column is padding.
  ///   - packLeft: packs `columns` of X over pixels `rows` of an image as `MatrixProduct.packLeft` does for the precision
  ///     of dZ.
  static func compute(
    columns: Int, _ dz: Tensor, into dw: UnsafeMutablePointer<Float>, on workers: WorkerPool,
    row: (_ column: Int) -> Int?,
    packLeft: (
      _ image: Int, _ rows: Range<Int>, _ columns: Range<Int>, _ capacity: Int,
      _ target: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let gemm = MatrixProduct(on: workers)
    let shape = dz.shape
    let blockRows = min(side, gemm.paddedLeft(columns))
    let blockColumns = min(side, gemm.paddedRight(shape.stride))
    let down = columns.dividedRoundingUp(by: blockRows)
    let across = shape.stride.dividedRoundingUp(by: blockColumns)
    let blockCount = blockRows * blockColumns
    let blocks = down * across

    let sums = PartialSums(
      images: shape.images, segments: PartialSums.segments(rows: shape.pixelsPerImage, blocks: blocks),
      count: blocks * blockCount, on: workers)
    let panelCount = capacity * (blockRows + blockColumns)
    let panels = Buffer(count: workers.threads * panelCount)

    let longest = (0..<sums.segments).map { sums.rows(of: $0, in: shape.pixelsPerImage).count }.max() ?? 0
    for begin in stride(from: 0, to: longest, by: run) {
      workers.parallelFor(sums.images * sums.segments * blocks) { task, worker in
        let block = task % blocks
        let segment = task / blocks % sums.segments
        let image = task / blocks / sums.segments
        let left = (block / across * blockRows)..<min(columns, (block / across + 1) * blockRows)
        let right = (block % across * blockColumns)..<min(shape.stride, (block % across + 1) * blockColumns)
        let leftPanels = panels.start + worker * panelCount
        let rightPanels = leftPanels + capacity * blockRows
        let target = sums.part(image, segment) + block * blockCount
        if begin == 0 { memset(target, 0, blockCount * MemoryLayout<Float>.stride) }

        let pixels = sums.rows(of: segment, in: shape.pixelsPerImage).dropFirst(begin).prefix(run)
        for first in stride(from: pixels.startIndex, to: pixels.endIndex, by: chunk) {
          let rows = first..<min(pixels.endIndex, first + chunk)
          packLeft(image, rows, left, capacity, leftPanels)
          let source = dz.elements(image: image) + (first * shape.stride + right.lowerBound)
          gemm.packRight(
            rows: rows.count, columns: right.count, from: source, rowStride: shape.stride, capacity: capacity,
            into: rightPanels)
          switch dz.precision {
          case .float32:
            gemm.multiplyTransposed(
              rows: rows.count, leftColumns: left.count, rightColumns: right.count, left: leftPanels,
              right: rightPanels, capacity: capacity, into: target, cStride: blockColumns)
          case .bfloat16:
            gemm.multiplyTransposedRounded(
              rows: rows.count, leftColumns: left.count, rightColumns: right.count, left: leftPanels,
              right: rightPanels, capacity: capacity, into: target, cStride: blockColumns)
          }
        }
      }
    }

    // Add the partial sums and remove the padding, a few rows of a block at a time.
    let strip = 32
    let strips = blockRows.dividedRoundingUp(by: strip)
    workers.parallelFor(blocks * strips) { task, _ in
      let block = task / strips
      let firstColumn = block % across * blockColumns
      let width = min(shape.channels - firstColumn, blockColumns)
      let lines = (task % strips * strip)..<min(blockRows, (task % strips + 1) * strip)
      let start = block * blockCount
      sums.join((start + lines.lowerBound * blockColumns)..<(start + lines.upperBound * blockColumns))
      for line in lines {
        let column = block / across * blockRows + line
        guard width > 0, column < columns, let row = row(column) else { continue }
        memcpy(
          dw + row * shape.channels + firstColumn, sums.part(0, 0) + start + line * blockColumns,
          width * MemoryLayout<Float>.stride)
      }
    }
  }
}
