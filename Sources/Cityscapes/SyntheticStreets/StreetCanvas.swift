import Images

/// A color while it is being mixed: red, green, blue, 0 … 255.
typealias Paint = SIMD3<Float>

/// An image and its label ids, painted together so that they agree to the pixel. What is painted last lies on top.
struct StreetCanvas {
  let width: Int
  let height: Int
  private var paints: [Paint]
  private var ids: [UInt8]

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    paints = [Paint](repeating: Paint(), count: width * height)
    ids = [UInt8](repeating: 0, count: width * height)
  }

  /// Sets one pixel, which must be on the canvas.
  mutating func set(_ column: Int, _ row: Int, _ paint: Paint, _ id: UInt8) {
    paints[row * width + column] = paint
    ids[row * width + column] = id
  }

  /// Paints the pixels whose centers lie in a shape inside `bounds`. A shape narrower than a pixel still shows.
  /// - Parameters:
  ///   - id: the label; nil leaves it as it is, as for a shadow.
  ///   - paint: the color at a point, made from what is there; nil outside of the shape.
  mutating func fill(_ bounds: Box, _ id: UInt8?, _ paint: (_ x: Float, _ y: Float, _ below: Paint) -> Paint?) {
    func pixels(_ low: Float, _ high: Float, _ count: Int) -> Range<Int> {
      guard high > 0, low < Float(count) else { return 0..<0 }
      let first = Int(max(low, 0).rounded())
      let end = Int(min(high, Float(count)).rounded())
      return first < end ? first..<end : (first < count ? first..<first + 1 : 0..<0)
    }
    let columns = pixels(bounds.left, bounds.right, width)
    for row in pixels(bounds.top, bounds.bottom, height) {
      for column in columns {
        let place = row * width + column
        guard let color = paint(Float(column) + 0.5, Float(row) + 0.5, paints[place]) else { continue }
        paints[place] = color
        if let id { ids[place] = id }
      }
    }
  }

  /// The image, with the noise of a sensor on it, and its label ids.
  func finished(noise: Texture) -> (image: Image, labelIds: Image) {
    var pixels = [UInt8]()
    pixels.reserveCapacity(3 * paints.count)
    for (place, paint) in paints.enumerated() {
      for channel in 0..<3 {
        let grain = (noise.speck(3 * place + channel, 0) - 0.5) * 9
        pixels.append(UInt8(min(max(paint[channel] + grain, 0), 255)))
      }
    }
    return (
      Image(width: width, height: height, channels: 3, pixels: pixels),
      Image(width: width, height: height, channels: 1, pixels: ids)
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

/// Random patterns as a function of the place. Only sums and products: the same bits on every machine.
struct Texture {
  let key: UInt32

  /// A random number in 0 ..< 1 for a place on the grid.
  func speck(_ column: Int, _ row: Int) -> Float {
    var word = UInt32(truncatingIfNeeded: column) &* 0x9E37_79B1 ^ UInt32(truncatingIfNeeded: row) &* 0x85EB_CA77 ^ key
    word = (word ^ (word >> 16)) &* 0x7FEB_352D
    word = (word ^ (word >> 15)) &* 0x846C_A68B
    return Float((word ^ (word >> 16)) >> 8) / 16_777_216
  }

  /// Smooth noise, 0 … 1: specks of the grid, blended between.
  func smooth(_ x: Float, _ y: Float) -> Float {
    let (column, row) = (x.rounded(.down), y.rounded(.down))
    func eased(_ t: Float) -> Float { t * t * (3 - 2 * t) }
    let (right, down) = (eased(x - column), eased(y - row))
    let (i, j) = (Int(column), Int(row))
    let top = speck(i, j) * (1 - right) + speck(i + 1, j) * right
    let bottom = speck(i, j + 1) * (1 - right) + speck(i + 1, j + 1) * right
    return top * (1 - down) + bottom * down
  }

  /// Noise of three grain sizes, each half as strong as the one before, 0 … 1.
  func cloudy(_ x: Float, _ y: Float) -> Float {
    (4 * smooth(x, y) + 2 * smooth(2.1 * x + 17, 2.1 * y + 5) + smooth(4.3 * x + 31, 4.3 * y + 43)) / 7
  }
}
