import Tensors

/// A growable buffer for rows of an image, reused for the next image.
package final class ImageBuffer {
  private var capacity = 1
  private var memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

  package init() {}

  deinit { memory.deallocate() }

  /// Fills the buffer with whole rows of an image and returns a view of them, valid until the next call.
  ///
  /// - Parameters:
  ///   - size: of the whole image.
  ///   - rows: the rows that the buffer holds.
  ///   - fill: writes every byte of these rows, without gaps between them.
  package func fill(
    size: Size, channels: Int, rows: Range<Int>, _ fill: (UnsafeMutableBufferPointer<UInt8>) -> Void
  ) -> ImageView {
    let count = rows.count * size.width * channels
    if count > capacity {
      memory.deallocate()
      capacity = count + count / 4
      memory = .allocate(capacity: capacity)
    }
    fill(UnsafeMutableBufferPointer(start: memory, count: count))
    return ImageView(size: size, channels: channels, pixels: memory, rows: rows)
  }
}
