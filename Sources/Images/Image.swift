/// An image of 8-bit values: a photograph, a map of labels, a map of edges.
package struct Image: Sendable, Equatable {
  package let width: Int
  package let height: Int

  /// 1 (gray, labels, edges) or 3 (red, green, blue).
  package let channels: Int

  /// `[height, width, channels]`, row by row.
  package var pixels: [UInt8]

  /// - Parameter pixels: `[height, width, channels]`, as many as that.
  package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    precondition(channels == 1 || channels == 3, "an image has 1 or 3 channels")
    precondition(pixels.count == width * height * channels, "an image has as many values as its size says")
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// An image with the same value everywhere.
  package init(width: Int, height: Int, channels: Int, filledWith value: UInt8 = 0) {
    self.init(
      width: width, height: height, channels: channels,
      pixels: [UInt8](repeating: value, count: width * height * channels))
  }

  /// An image whose pixels `write` sets, every one of them.
  ///
  /// - Parameter slack: how many bytes beyond the last pixel `write` may touch, so that vectors can overhang.
  init(width: Int, height: Int, channels: Int, slack: Int = 0, write: (UnsafeMutablePointer<UInt8>) -> Void) {
    let count = width * height * channels
    let pixels = [UInt8](unsafeUninitializedCapacity: count + slack) { buffer, initialized in
      if let base = buffer.baseAddress { write(base) }
      initialized = count
    }
    self.init(width: width, height: height, channels: channels, pixels: pixels)
  }

  /// Lends the pixels to a loop that checks no bounds.
  func withPixels<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
    pixels.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an image has at least one pixel") }
      return body(base)
    }
  }
}

// MARK: - Parts and wholes

extension Image {
  /// A rectangle of pixels: `width` columns from `x`, `height` rows from `y`.
  package struct Rect: Sendable, Equatable {
    package var x: Int
    package var y: Int
    package var width: Int
    package var height: Int

    /// All of an image.
    package init(width: Int, height: Int) { self.init(x: 0, y: 0, width: width, height: height) }

    package init(x: Int, y: Int, width: Int, height: Int) {
      self.x = x
      self.y = y
      self.width = width
      self.height = height
    }

    func lies(in width: Int, _ height: Int) -> Bool {
      x >= 0 && y >= 0 && self.width > 0 && self.height > 0 && x + self.width <= width && y + self.height <= height
    }
  }

  /// The part of the image inside `window`, which must not reach beyond it.
  package func cropped(to window: Rect) -> Image {
    withView { $0.cropped(to: window) }
  }

  /// The image with left and right exchanged.
  package func flipped() -> Image {
    withPixels { source in
      Image(width: width, height: height, channels: channels) { target in
        let stride = width * channels
        for row in 0..<height {
          let from = source + row * stride
          var to = target + row * stride + stride
          if channels == 1 {
            for x in 0..<width {
              to -= 1
              to[0] = from[x]
            }
          } else {
            for x in 0..<width {
              to -= 3
              to[0] = from[3 * x]
              to[1] = from[3 * x + 1]
              to[2] = from[3 * x + 2]
            }
          }
        }
      }
    }
  }

  /// Images of one height joined from left to right. Where one of them has colors, gray ones become RGB.
  package static func hstack(_ images: [Image]) -> Image {
    guard let first = images.first else { preconditionFailure("at least one image") }
    precondition(images.allSatisfy { $0.height == first.height }, "images side by side are equally high")
    let channels = images.reduce(1) { max($0, $1.channels) }
    let images = images.map { $0.channels == channels ? $0 : $0.asRGB() }
    let stride = images.reduce(0) { $0 + $1.width } * channels
    return Image(width: stride / channels, height: first.height, channels: channels) { target in
      var left = 0
      for image in images {
        let count = image.width * channels
        image.withPixels { source in
          for row in 0..<first.height {
            (target + row * stride + left).update(from: source + row * count, count: count)
          }
        }
        left += count
      }
    }
  }

  private func asRGB() -> Image {
    Palette.colored(self, by: (0...UInt8.max).map { (red: $0, green: $0, blue: $0) })
  }
}
