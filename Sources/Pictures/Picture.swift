/// A picture of 8-bit values: a photograph, a map of labels, a map of edges.
package struct Picture: Sendable, Equatable {
  package let width: Int
  package let height: Int

  /// 1 (grey, labels, edges) or 3 (red, green, blue).
  package let channels: Int

  /// `[height, width, channels]`, row by row.
  package var pixels: [UInt8]

  /// - Parameter pixels: `[height, width, channels]`, as many as that.
  package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "a picture has at least one pixel")
    precondition(channels == 1 || channels == 3, "a picture has 1 or 3 channels")
    precondition(pixels.count == width * height * channels, "a picture has as many values as its size says")
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// A picture with the same value everywhere.
  package init(width: Int, height: Int, channels: Int, filledWith value: UInt8 = 0) {
    self.init(
      width: width, height: height, channels: channels,
      pixels: [UInt8](repeating: value, count: width * height * channels))
  }

  /// A picture whose pixels `write` sets, every one of them.
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
      guard let base = buffer.baseAddress else { preconditionFailure("a picture has at least one pixel") }
      return body(base)
    }
  }
}

// MARK: - Parts and wholes

extension Picture {
  /// A rectangle of pixels: `width` columns from `x`, `height` rows from `y`.
  package struct Window: Sendable, Equatable {
    package var x: Int
    package var y: Int
    package var width: Int
    package var height: Int

    /// All of a picture.
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

  /// The part of the picture inside `window`, which must not reach beyond it.
  package func cropped(to window: Window) -> Picture {
    withView { $0.cropped(to: window) }
  }

  /// The picture with left and right exchanged.
  package func flipped() -> Picture {
    withPixels { source in
      Picture(width: width, height: height, channels: channels) { target in
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

  /// Pictures of one height joined from left to right. Where one of them has colours, grey ones become RGB.
  package static func beside(_ pictures: [Picture]) -> Picture {
    guard let first = pictures.first else { preconditionFailure("at least one picture") }
    precondition(pictures.allSatisfy { $0.height == first.height }, "pictures side by side are equally high")
    let channels = pictures.reduce(1) { max($0, $1.channels) }
    let pictures = pictures.map { $0.channels == channels ? $0 : $0.asRGB() }
    let stride = pictures.reduce(0) { $0 + $1.width } * channels
    return Picture(width: stride / channels, height: first.height, channels: channels) { target in
      var left = 0
      for picture in pictures {
        let count = picture.width * channels
        picture.withPixels { source in
          for row in 0..<first.height {
            (target + row * stride + left).update(from: source + row * count, count: count)
          }
        }
        left += count
      }
    }
  }

  private func asRGB() -> Picture {
    Palette.coloured(self, by: (0...UInt8.max).map { (red: $0, green: $0, blue: $0) })
  }
}
