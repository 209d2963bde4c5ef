import Glibc
import Tensors

/// Bands of pictures: runs of whole rows.
package enum Bands {
  /// Writes some rows of every picture of `target`.
  ///
  /// - Parameters:
  ///   - rows: of `target`.
  ///   - fromRow: the row of `source` that the first of them is taken from.
  ///   - source: as many pictures, as wide and with as many channels as `target`.
  package static func copy(
    rows: Range<Int>, of target: Tensor, fromRow: Int, of source: Tensor, on workers: WorkerPool
  ) {
    precondition(source.shape.with(size: target.shape.size) == target.shape && source.shape.width == target.shape.width)
    precondition(rows.upperBound <= target.shape.height && fromRow + rows.count <= source.shape.height)
    let floats = target.shape.width * target.shape.stride
    workers.run(target.shape.pictures * rows.count) { task, _ in
      let (picture, row) = task.quotientAndRemainder(dividingBy: rows.count)
      memcpy(
        target.picture(picture) + (rows.lowerBound + row) * floats, source.picture(picture) + (fromRow + row) * floats,
        floats * MemoryLayout<Float>.stride)
    }
  }
}
