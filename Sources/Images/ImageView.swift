import Tensors

/// Borrowed pixels: all rows of an image, or some of them.
package struct ImageView {
  /// Size of the whole image.
  package let size: Size
  /// 1 or 3.
  package let channels: Int
  /// Where row 0 is or would be. Only the rows of `rows` may be read.
  private let origin: UnsafePointer<UInt8>

  /// Bytes from a row to the next.
  package var stride: Int { size.width * channels }

  /// - Parameters:
  ///   - pixels: the first of `rows`, followed by the others without gaps.
  ///   - rows: the rows that are in memory; all of them if nil.
  package init(size: Size, channels: Int, pixels: UnsafePointer<UInt8>, rows: Range<Int>? = nil) {
    self.size = size
    self.channels = channels
    origin = pixels - (rows?.lowerBound ?? 0) * size.width * channels
  }

  @inline(__always)
  package func row(_ row: Int) -> UnsafePointer<UInt8> { origin + row &* stride }

  /// Copies the part inside `window`, whose rows must be in memory.
  package func cropped(to window: Image.Rect) -> Image {
    precondition(window.lies(in: size), "the window must lie in the image")
    return Image(window.size, channels: channels) { target in
      let count = window.size.width * channels
      for y in 0..<window.size.height {
        (target + y * count).update(from: row(window.y + y) + window.x * channels, count: count)
      }
    }
  }
}

extension Image {
  /// Lends the pixels for the duration of `body`.
  package func withView<Result>(_ body: (ImageView) throws -> Result) rethrows -> Result {
    try withPixels { try body(ImageView(size: size, channels: channels, pixels: $0)) }
  }
}
