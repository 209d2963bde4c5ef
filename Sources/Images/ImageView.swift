/// Pixels that somebody else keeps, perhaps only those rows and columns of an image that are needed.
package struct ImageView {
  /// Size of the whole image.
  package let width: Int
  package let height: Int
  /// 1 or 3.
  package let channels: Int
  /// Where row 0 is or would be: only the rows and columns that are there may be touched.
  private let origin: UnsafePointer<UInt8>
  /// Bytes from a row to the next.
  package let stride: Int

  /// - Parameters:
  ///   - pixels: of row `firstRow` on, each from column 0.
  package init(
    width: Int, height: Int, channels: Int, pixels: UnsafePointer<UInt8>, firstRow: Int = 0, stride: Int? = nil
  ) {
    self.width = width
    self.height = height
    self.channels = channels
    self.stride = stride ?? width * channels
    origin = pixels - firstRow * self.stride
  }

  @inline(__always)
  package func row(_ row: Int) -> UnsafePointer<UInt8> { origin + row &* stride }

  /// The part inside `window`, which must be there.
  package func cropped(to window: Image.Rect) -> Image {
    precondition(window.lies(in: width, height), "the window lies in the image")
    return Image(width: window.width, height: window.height, channels: channels) { target in
      let count = window.width * channels
      for y in 0..<window.height {
        (target + y * count).update(from: row(window.y + y) + window.x * channels, count: count)
      }
    }
  }
}

extension Image {
  /// Lends the pixels for as long as `body` runs.
  package func withView<Result>(_ body: (ImageView) throws -> Result) rethrows -> Result {
    try pixels.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an image has at least one pixel") }
      return try body(ImageView(width: width, height: height, channels: channels, pixels: base))
    }
  }
}
