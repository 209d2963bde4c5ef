import Tensors

/// A picture that is composed of images, areas of one color, and text. What lies outside of it is not drawn.
package struct Canvas {
  /// RGB.
  package private(set) var image: Image

  package static let white: Palette.Color = (red: 255, green: 255, blue: 255)
  /// Of text on white.
  package static let ink: Palette.Color = (red: 32, green: 32, blue: 36)

  package init(_ size: Size, color: Palette.Color = white) {
    image = Image(size, channels: 3)
    fill(Image.Rect(size), with: color)
  }

  package mutating func fill(_ rect: Image.Rect, with color: Palette.Color) {
    let columns = rect.columns.clamped(to: 0..<image.size.width)
    let line = (0..<columns.count).flatMap { _ in [color.red, color.green, color.blue] }
    for row in rect.rows.clamped(to: 0..<image.size.height) {
      let start = 3 * (row * image.size.width + columns.lowerBound)
      image.pixels.replaceSubrange(start..<start + line.count, with: line)
    }
  }

  /// Draws an image, its top left corner at column `x` and row `y`.
  package mutating func draw(_ other: Image, x: Int, y: Int) {
    let other = other.channels == 3 ? other : other.asRGB()
    let columns = (x..<x + other.size.width).clamped(to: 0..<image.size.width)
    guard !columns.isEmpty else { return }
    for row in (y..<y + other.size.height).clamped(to: 0..<image.size.height) {
      let from = 3 * ((row - y) * other.size.width + columns.lowerBound - x)
      let to = 3 * (row * image.size.width + columns.lowerBound)
      image.pixels.replaceSubrange(to..<to + 3 * columns.count, with: other.pixels[from..<from + 3 * columns.count])
    }
  }

  /// Writes a line of text, the left end of its capitals' tops at column `x` and row `y`.
  ///
  /// - Parameter height: of a capital letter, in pixels.
  package mutating func write(_ text: String, x: Int, y: Int, height: Int, color: Palette.Color = ink) {
    Lettering.draw(text, height: height) { column, row, coverage in
      blend(color, coverage, x: x + column, y: y + row)
    }
  }

  private mutating func blend(_ color: Palette.Color, _ coverage: Double, x: Int, y: Int) {
    guard (0..<image.size.width).contains(x), (0..<image.size.height).contains(y) else { return }
    let pixel = 3 * (y * image.size.width + x)
    for (channel, value) in [color.red, color.green, color.blue].enumerated() {
      let old = Double(image.pixels[pixel + channel])
      image.pixels[pixel + channel] = UInt8((old + (Double(value) - old) * coverage).rounded())
    }
  }
}
