import Tensors

/// An image of 8-bit values: a photograph, a label map, an edge map.
package struct Image: Sendable, Equatable {
  package let size: Size

  /// 1 (gray, labels, edges) or 3 (red, green, blue).
  package let channels: Int

  /// `[height, width, channels]`, row by row.
  package var pixels: [UInt8]

  /// - Parameter pixels: `[height, width, channels]`.
  package init(_ size: Size, channels: Int, pixels: [UInt8]) {
    precondition(size.width > 0 && size.height > 0, "an image has at least one pixel")
    precondition(channels == 1 || channels == 3, "an image has 1 or 3 channels")
    precondition(pixels.count == size.width * size.height * channels, "the number of values must match the size")
    self.size = size
    self.channels = channels
    self.pixels = pixels
  }

  /// An image with the same value everywhere.
  package init(_ size: Size, channels: Int, filledWith value: UInt8 = 0) {
    self.init(size, channels: channels, pixels: [UInt8](repeating: value, count: size.width * size.height * channels))
  }

  /// An image whose pixels `write` sets, every one of them.
  ///
  /// - Parameter padding: how many bytes beyond the last pixel `write` may overwrite with whole vectors.
  init(_ size: Size, channels: Int, padding: Int = 0, write: (UnsafeMutablePointer<UInt8>) -> Void) {
    let count = size.width * size.height * channels
    let pixels = [UInt8](unsafeUninitializedCapacity: count + padding) { buffer, initialized in
      if let base = buffer.baseAddress { write(base) }
      initialized = count
    }
    self.init(size, channels: channels, pixels: pixels)
  }

  /// Lends the pixels to a loop without bounds checks.
  func withPixels<Result>(_ body: (UnsafePointer<UInt8>) throws -> Result) rethrows -> Result {
    try pixels.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an image has at least one pixel") }
      return try body(base)
    }
  }
}

extension Size {
  /// Width × height, as image viewers and error messages give sizes.
  package var widthByHeight: String { "\(width)×\(height)" }
}

// MARK: - Crop and concatenation

extension Image {
  /// A rectangle of pixels: column `x` and row `y` are its first.
  package struct Rect: Sendable, Equatable {
    package var x: Int
    package var y: Int
    package var size: Size

    package init(x: Int, y: Int, _ size: Size) {
      self.x = x
      self.y = y
      self.size = size
    }

    /// The whole of an image.
    package init(_ size: Size) { self.init(x: 0, y: 0, size) }

    package var rows: Range<Int> { y..<y + size.height }
    package var columns: Range<Int> { x..<x + size.width }

    func lies(in image: Size) -> Bool {
      x >= 0 && y >= 0 && size.width > 0 && size.height > 0 && columns.upperBound <= image.width
        && rows.upperBound <= image.height
    }
  }

  /// The part of the image inside `window`, which must lie in the image.
  package func cropped(to window: Rect) -> Image { withView { $0.cropped(to: window) } }

  /// Images of one height side by side, left to right. If one of them has colors, gray ones become RGB.
  package static func hstack(_ images: [Image]) -> Image {
    guard let first = images.first else { preconditionFailure("at least one image") }
    let height = first.size.height
    precondition(images.allSatisfy { $0.size.height == height }, "images side by side have one height")
    let channels = images.reduce(1) { max($0, $1.channels) }
    let images = images.map { $0.channels == channels ? $0 : $0.asRGB() }
    var pixels = [UInt8]()
    for row in 0..<height {
      for image in images {
        let stride = image.size.width * channels
        pixels += image.pixels[row * stride..<(row + 1) * stride]
      }
    }
    return Image(Size(height, images.reduce(0) { $0 + $1.size.width }), channels: channels, pixels: pixels)
  }

  /// The image with left and right exchanged.
  package var mirrored: Image {
    withPixels { source in
      Image(size, channels: channels) { target in
        for row in 0..<size.height {
          let (from, to) = (source + row * size.width * channels, target + row * size.width * channels)
          for column in 0..<size.width {
            let other = (size.width - 1 - column) * channels
            for channel in 0..<channels { to[column * channels + channel] = from[other + channel] }
          }
        }
      }
    }
  }

  func asRGB() -> Image {
    Palette.colored(self, by: (0...UInt8.max).map { (red: $0, green: $0, blue: $0) })
  }
}
