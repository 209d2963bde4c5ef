import Tensors

/// A growable buffer for rows of an image, reused for the next image.
package final class ImageBuffer {
  private var memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

  package init() {}

  deinit { memory.deallocate() }

  /// Fills the buffer with whole rows of an image and returns a view of them, valid until the next call.
  ///
  /// - Parameters:
  ///   - size: of the whole image.
  ///   - rows: the rows that the buffer holds.
  ///   - fill: writes every byte of these rows, without gaps between them.
  package func fill(
    size: Size, channels: Int, rows: Range<Int>, _ fill: (UnsafeMutableBufferPointer<UInt8>) throws -> Void
  ) rethrows -> ImageView {
    let count = rows.count * size.width * channels
    if count > memory.count {
      memory.deallocate()
      memory = .allocate(capacity: count + count / 4)
    }
    try fill(UnsafeMutableBufferPointer(rebasing: memory[..<count]))
    return ImageView(size: size, channels: channels, pixels: UnsafePointer(memory.baseAddress!), rows: rows)
  }
}
