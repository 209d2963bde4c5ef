/// Memory for some rows of an image, used again for the next one.
package final class ImageRows {
  private var memory = ReusedBytes()

  package init() {}

  /// Lends rows that are set first, until the next call.
  ///
  /// - Parameters:
  ///   - size: of the whole image.
  ///   - window: the rows and the columns, from the left up to the window's last one, that are to be there.
  ///   - fill: sets them, row after row without gaps, and may touch `PNGFilter.slack` bytes behind them.
  package func view(
    of size: (width: Int, height: Int), channels: Int, window: Image.Rect,
    fill: (UnsafeMutablePointer<UInt8>) -> Void
  ) -> ImageView {
    let stride = (window.x + window.width) * channels
    memory.reserve(window.height * stride + PNGFilter.slack)
    fill(memory.start)
    return ImageView(
      width: size.width, height: size.height, channels: channels, pixels: memory.start, firstRow: window.y,
      stride: stride)
  }

  /// Keeps the pixels of an image.
  func take(_ image: Image) -> ImageView {
    memory.reserve(image.pixels.count)
    image.withPixels { memory.start.update(from: $0, count: image.pixels.count) }
    return ImageView(
      width: image.width, height: image.height, channels: image.channels, pixels: memory.start)
  }
}
