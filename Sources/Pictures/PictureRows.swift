/// Memory for some rows of a picture, used again for the next one.
package final class PictureRows {
  private var memory = ReusedBytes()

  package init() {}

  /// Lends rows that are set first, until the next call.
  ///
  /// - Parameters:
  ///   - size: of the whole picture.
  ///   - window: the rows and the columns, from the left up to the window's last one, that are to be there.
  ///   - fill: sets them, row after row without gaps, and may touch `PNGFilter.slack` bytes behind them.
  package func view(
    of size: (width: Int, height: Int), channels: Int, window: Picture.Window,
    fill: (UnsafeMutablePointer<UInt8>) -> Void
  ) -> PictureView {
    let stride = (window.x + window.width) * channels
    memory.reserve(window.height * stride + PNGFilter.slack)
    fill(memory.start)
    return PictureView(
      width: size.width, height: size.height, channels: channels, pixels: memory.start, firstRow: window.y,
      stride: stride)
  }

  /// Keeps the pixels of a picture.
  func take(_ picture: Picture) -> PictureView {
    memory.reserve(picture.pixels.count)
    picture.withPixels { memory.start.update(from: $0, count: picture.pixels.count) }
    return PictureView(
      width: picture.width, height: picture.height, channels: picture.channels, pixels: memory.start)
  }
}
