import Tensors

/// A change of the colors of an 8-bit RGB image, bit-identical to Pillow's.
package enum ColorChange: Equatable, Sendable {
  /// `ImageEnhance.Brightness`: 0 is black, 1 the image.
  case brightness(Float)
  /// `ImageEnhance.Contrast`: 0 is the mean gray of the image, 1 the image.
  case contrast(Float)
  /// `ImageEnhance.Color`: 0 is the gray image, 1 the image.
  case saturation(Float)
  /// Added to the hue in Pillow's mode HSV, where 256 go round once. The sum is truncated and wraps around, as NumPy's
  /// conversion to bytes does on x86-64.
  case hue(Double)
}

extension Image {
  /// Changes the colors in place.
  package mutating func apply(_ change: ColorChange) {
    precondition(channels == 3, "only an RGB image has colors")
    switch change {
    case .brightness(let factor): replaceBytes(by: (0...UInt8.max).map { blend(0, $0, factor) })
    case .contrast(let factor):
      let gray = meanGray
      replaceBytes(by: (0...UInt8.max).map { blend(gray, $0, factor) })
    case .saturation(let factor):
      forEachPixel { pixel in
        let gray = gray(UnsafePointer(pixel))
        for channel in 0..<3 { pixel[channel] = blend(gray, pixel[channel], factor) }
      }
    case .hue(let offset):
      HSV.shared.withTables { tables in
        let shifted = (0..<256).map { tables.hue(Int((Double($0) + offset).rounded(.towardZero)) & 255) }
        shifted.withUnsafeBufferPointer { shifted in forEachPixel { tables.shiftHue(of: $0, by: shifted) } }
      }
    }
  }

  /// The rounded mean of the gray pixels.
  private var meanGray: UInt8 {
    withPixels { pixels in
      let count = size.height * size.width
      var sum = 0
      for pixel in 0..<count { sum += Int(gray(pixels + 3 * pixel)) }
      return UInt8(Double(sum) / Double(count) + 0.5)
    }
  }

  private mutating func replaceBytes(by table: [UInt8]) {
    table.withUnsafeBufferPointer { table in
      pixels.withUnsafeMutableBufferPointer { pixels in
        for index in pixels.indices { pixels[index] = table[Int(pixels[index])] }
      }
    }
  }

  @inline(__always)
  private mutating func forEachPixel(_ body: (UnsafeMutablePointer<UInt8>) -> Void) {
    pixels.withUnsafeMutableBufferPointer { pixels in
      guard let start = pixels.baseAddress else { return }
      for pixel in 0..<pixels.count / 3 { body(start + 3 * pixel) }
    }
  }
}

/// The luma of ITU-R BT.601 in 65536ths, rounded.
@inline(__always)
private func gray(_ pixel: UnsafePointer<UInt8>) -> UInt8 {
  let sum = UInt32(pixel[0]) &* 19595 &+ UInt32(pixel[1]) &* 38470 &+ UInt32(pixel[2]) &* 7471
  return UInt8(truncatingIfNeeded: (sum &+ 0x8000) &>> 16)
}

/// `Image.blend`: in single precision, clipped and truncated.
@inline(__always)
private func blend(_ from: UInt8, _ to: UInt8, _ factor: Float) -> UInt8 {
  let value = Float(from) + factor * Float(Int32(to) &- Int32(from))
  return UInt8(truncatingIfNeeded: Int32(min(max(value, 0), 255)))
}
