import Tensors

/// Pillow's conversions from RGB to its mode HSV and back, of eight bits each. They mix single and double precision;
/// tables of all cases have the same bits.
///
/// Source: python-pillow/Pillow, src/libImaging/Convert.c (`rgb2hsv_row`, `hsv2rgb`), after Python's `colorsys`.
struct HSV: Sendable {
  /// The tables take half a megabyte and are made when they are first needed.
  static let shared = HSV()

  /// By sector, chroma (largest less smallest value) and distance of the middle value from the largest one.
  private let hues: [UInt8]
  /// By largest value and chroma.
  private let saturations: [UInt8]
  /// The smallest value: by saturation and value.
  private let smallest: [UInt8]

  private init() {
    // The largest value is red, green or blue (of equal ones the first), the smallest the one after it or the one before.
    hues = (0..<6 * 256 * 256).map { index in
      let (sector, chroma, distance) = (index >> 16, index >> 8 & 255, index & 255)
      guard chroma > 0, distance <= chroma else { return 0 }
      let (one, middle) = (Float(1), Float(distance) / Float(chroma))
      let (after, before) = sector & 1 == 0 ? (one, middle) : (middle, one)
      let sixths =
        switch sector >> 1 {
        case 0: before - after
        case 1: Float(2 + Double(before) - Double(after))
        default: Float(4 + Double(before) - Double(after))
        }
      let turn = Float((Double(sixths) / 6 + 1).truncatingRemainder(dividingBy: 1))
      return UInt8(min(max(Double(turn) * 255, 0), 255))
    }
    saturations = (0..<256 * 256).map { index in
      let (value, chroma) = (index >> 8, index & 255)
      guard chroma > 0, chroma <= value else { return 0 }
      return UInt8(Double(Float(chroma) / Float(value)) * 255)
    }
    smallest = (0..<256 * 256).map { index in
      let (saturation, value) = (index >> 8, index & 255)
      return Self.rounded(Double(value) * (1 - Double(Float(Double(saturation) / 255))))
    }
  }

  /// Halves away from zero; `value` is not negative.
  @inline(__always)
  private static func rounded(_ value: Double) -> UInt8 { UInt8(truncatingIfNeeded: Int32(value + 0.5)) }

  /// A hue as the conversion to RGB needs it: the sector of the hue circle, and its fraction of that sector.
  struct Hue {
    let sector: Int
    let fraction: Float
  }

  /// Borrowed tables, for loops without bounds checks.
  struct Tables {
    fileprivate let hues: UnsafePointer<UInt8>
    fileprivate let saturations: UnsafePointer<UInt8>
    fileprivate let smallest: UnsafePointer<UInt8>

    /// - Parameter byte: 0 … 255.
    func hue(_ byte: Int) -> Hue {
      let sixths = Double(byte) * 6 / 255
      let sector = sixths.rounded(.down)
      return Hue(sector: Int(sector) % 6, fraction: Float(sixths - sector))
    }

    /// Converts a pixel to HSV, replaces its hue, and converts it back.
    ///
    /// - Parameter shifted: what stands for each byte of hue.
    @inline(__always)
    func shiftHue(of pixel: UnsafeMutablePointer<UInt8>, by shifted: UnsafeBufferPointer<Hue>) {
      let (red, green, blue) = (Int(pixel[0]), Int(pixel[1]), Int(pixel[2]))
      let (value, least) = (max(red, green, blue), min(red, green, blue))
      let chroma = value - least
      let saturation = Int(saturations[value << 8 | chroma])
      guard saturation > 0 else {
        (pixel[0], pixel[1], pixel[2]) = (UInt8(value), UInt8(value), UInt8(value))
        return
      }
      // The values after and before the largest one, red following blue.
      let (pair, after, before) =
        red == value ? (0, green, blue) : green == value ? (1, blue, red) : (2, red, green)
      let (parity, middle) = after == least ? (0, before) : (1, after)
      let sector = 2 * pair + parity
      write(shifted[Int(hues[sector << 16 | chroma << 8 | (value - middle)])], saturation, value, to: pixel)
    }

    @inline(__always)
    private func write(_ hue: Hue, _ saturation: Int, _ value: Int, to pixel: UnsafeMutablePointer<UInt8>) {
      let share = Float(Double(saturation) / 255)
      let low = smallest[saturation << 8 | value]
      let high = UInt8(truncatingIfNeeded: value)
      // Between them the product of two floats is rounded to single precision, that with a difference is not.
      let falling = HSV.rounded(Double(value) * (1 - Double(share * hue.fraction)))
      let rising = HSV.rounded(Double(value) * (1 - Double(share) * (1 - Double(hue.fraction))))
      (pixel[0], pixel[1], pixel[2]) =
        switch hue.sector {
        case 0: (high, rising, low)
        case 1: (falling, high, low)
        case 2: (low, high, rising)
        case 3: (low, falling, high)
        case 4: (rising, low, high)
        default: (high, low, falling)
        }
    }
  }

  func withTables(_ body: (Tables) -> Void) {
    hues.withUnsafeBufferPointer { hues in
      saturations.withUnsafeBufferPointer { saturations in
        smallest.withUnsafeBufferPointer { smallest in
          guard let hues = hues.baseAddress, let saturations = saturations.baseAddress,
            let smallest = smallest.baseAddress
          else { return }
          body(Tables(hues: hues, saturations: saturations, smallest: smallest))
        }
      }
    }
  }
}
