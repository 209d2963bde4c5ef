import Images
import Tensors

/// A color before rounding: red, green, blue, 0 … 255.
typealias Paint = SIMD3<Float>

/// An image and its label ids, painted together so that they agree in every pixel. Later objects cover earlier ones.
struct StreetCanvas {
  let size: Size
  private var paints: [Paint]
  private var ids: [UInt8]

  init(_ size: Size) {
    self.size = size
    paints = [Paint](repeating: Paint(), count: size.width * size.height)
    ids = [UInt8](repeating: 0, count: size.width * size.height)
  }

  /// Sets one pixel, which must be on the canvas.
  mutating func set(_ column: Int, _ row: Int, _ paint: Paint, _ id: UInt8) {
    paints[row * size.width + column] = paint
    ids[row * size.width + column] = id
  }

  /// Paints the pixels whose centers lie in a shape inside `bounds`. A shape narrower than a pixel is a pixel wide.
  /// - Parameters:
  ///   - id: the label id; nil keeps the labels, as for a shadow.
  ///   - paint: the color at a point, given the color below it; nil outside the shape.
  mutating func fill(_ bounds: Box, _ id: UInt8?, _ paint: (_ x: Float, _ y: Float, _ below: Paint) -> Paint?) {
    func pixels(_ low: Float, _ high: Float, _ count: Int) -> Range<Int> {
      guard high > 0, low < Float(count) else { return 0..<0 }
      let first = Int(max(low, 0).rounded())
      let end = Int(min(high, Float(count)).rounded())
      return first < end ? first..<end : (first < count ? first..<first + 1 : 0..<0)
    }
    let columns = pixels(bounds.left, bounds.right, size.width)
    for row in pixels(bounds.top, bounds.bottom, size.height) {
      for column in columns {
        let pixel = row * size.width + column
        guard let color = paint(Float(column) + 0.5, Float(row) + 0.5, paints[pixel]) else { continue }
        paints[pixel] = color
        if let id { ids[pixel] = id }
      }
    }
  }

  /// The image, with sensor noise, and its label ids.
  func finished(noise: Texture) -> (image: Image, labelIds: Image) {
    var pixels = [UInt8]()
    pixels.reserveCapacity(3 * paints.count)
    for (pixel, paint) in paints.enumerated() {
      for channel in 0..<3 {
        let grain = (noise.speck(3 * pixel + channel, 0) - 0.5) * 9
        pixels.append(UInt8(min(max(paint[channel] + grain, 0), 255)))
      }
    }
    return (
      Image(size, channels: 3, pixels: pixels),
      Image(size, channels: 1, pixels: ids)
    )
  }
}

/// A rectangle on the canvas, in pixels, rows counted downwards.
struct Box {
  var left: Float
  var top: Float
  var right: Float
  var bottom: Float
}

/// Noise as a function of position. Only sums and products: the same bits on every machine.
struct Texture {
  let key: UInt32

  /// White noise on the integer grid, 0 ..< 1.
  func speck(_ column: Int, _ row: Int) -> Float {
    var word = UInt32(truncatingIfNeeded: column) &* 0x9E37_79B1 ^ UInt32(truncatingIfNeeded: row) &* 0x85EB_CA77 ^ key
    word = (word ^ (word >> 16)) &* 0x7FEB_352D
    word = (word ^ (word >> 15)) &* 0x846C_A68B
    return Float((word ^ (word >> 16)) >> 8) / 16_777_216
  }

  /// Value noise, 0 … 1: smooth interpolation of the white noise.
  func smooth(_ x: Float, _ y: Float) -> Float {
    let (column, row) = (x.rounded(.down), y.rounded(.down))
    func eased(_ t: Float) -> Float { t * t * (3 - 2 * t) }
    let (right, down) = (eased(x - column), eased(y - row))
    let (i, j) = (Int(column), Int(row))
    let top = speck(i, j) * (1 - right) + speck(i + 1, j) * right
    let bottom = speck(i, j + 1) * (1 - right) + speck(i + 1, j + 1) * right
    return top * (1 - down) + bottom * down
  }

  /// Fractal noise, 0 … 1: three octaves, each with half the amplitude of the one before.
  func cloudy(_ x: Float, _ y: Float) -> Float {
    (4 * smooth(x, y) + 2 * smooth(2.1 * x + 17, 2.1 * y + 5) + smooth(4.3 * x + 31, 4.3 * y + 43)) / 7
  }
}
