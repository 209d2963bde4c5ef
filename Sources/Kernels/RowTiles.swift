import Glibc
import Microkernels
import Tensors

/// Tiles of whole rows of images.
package enum RowTiles {
  /// Copies rows of every image of `source` to every image of `target`.
  ///
  /// - Parameters:
  ///   - rows: the rows of `target` that are written.
  ///   - fromRow: the row of `source` that the first of them comes from.
  ///   - source: has the images, width and channels of `target`.
  package static func copy(
    rows: Range<Int>, of target: Tensor, fromRow: Int, of source: Tensor, on workers: WorkerPool
  ) {
    precondition(source.shape.with(size: target.shape.size) == target.shape && source.shape.width == target.shape.width)
    precondition(source.precision == target.precision)
    precondition(rows.upperBound <= target.shape.height && fromRow + rows.count <= source.shape.height)
    let count = target.shape.width * target.shape.stride
    let bytes = count * target.precision.size
    workers.parallelFor(target.shape.images * rows.count) { task, _ in
      let (image, row) = task.quotientAndRemainder(dividingBy: rows.count)
      let to = target.elements(image: image) + (rows.lowerBound + row) * count
      let from = source.elements(image: image) + (fromRow + row) * count
      memcpy(to.address, from.address, bytes)
    }
  }
}
