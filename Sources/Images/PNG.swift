import CPNG
import Tensors

/// PNG files, read and written through libpng.
package enum PNG {
  /// What an image is read as. A file of another kind is refused, not converted.
  package enum Kind: Sendable {
    /// 8-bit red, green, blue: a photograph.
    case rgb
    /// One value a pixel: a label map or an edge map. Gray or palette, 1, 2, 4 or 8 bits; the values are read as they
    /// are stored, so that a label id stays a label id: palette indices instead of colors, bits without scaling.
    case gray
    /// One gray value a pixel, up to 16 bits: an instance map. Read by `readValues`.
    case gray16
    /// A photograph of any kind, converted to 8-bit RGB.
    case photograph

    /// What a file must be, for errors.
    var needed: String {
      switch self {
      case .rgb: "8-bit RGB"
      case .gray: "8-bit gray"
      case .gray16: "16-bit gray"
      case .photograph: "an image"
      }
    }
  }

  /// How a file stores its pixels.
  package enum Color: String, Sendable {
    case gray
    case grayWithAlpha = "gray with transparency"
    case palette = "a palette"
    case rgb = "RGB"
    case rgbWithAlpha = "RGB with transparency"
  }

  /// The header of a file (IHDR).
  package struct Header: Sendable, Equatable, CustomStringConvertible {
    package let size: Size
    /// Bits a channel: 1, 2, 4, 8 or 16.
    package let bitDepth: Int
    package let color: Color

    init(_ raw: cpng_header) {
      size = Size(Int(raw.height), Int(raw.width))
      bitDepth = Int(raw.bit_depth)
      color =
        switch raw.color_type {
        case PNG_COLOR_TYPE_GRAY: .gray
        case PNG_COLOR_TYPE_GRAY | PNG_COLOR_MASK_ALPHA: .grayWithAlpha
        case PNG_COLOR_TYPE_RGB: .rgb
        case PNG_COLOR_TYPE_RGB | PNG_COLOR_MASK_ALPHA: .rgbWithAlpha
        default: .palette
        }
    }

    func isReadable(as kind: Kind) -> Bool {
      switch kind {
      case .rgb: bitDepth == 8 && color == .rgb
      case .gray: bitDepth <= 8 && (color == .gray || color == .palette)
      case .gray16: color == .gray
      case .photograph: true
      }
    }

    package var description: String { "\(bitDepth)-bit \(color == .palette ? "with a palette" : color.rawValue)" }
  }

  /// The most pixels an image may have. A header with more is taken for damage; this bounds what is allocated.
  package static let maximumPixels = 1 << 28

  /// Reads the header of a file, without its pixels.
  package static func header(_ path: String) throws(ImageError) -> Header { try PNGReader(path).header }

  /// Reads a whole image.
  package static func read(_ path: String, as kind: Kind) throws(ImageError) -> Image {
    try PNGReader(path, as: kind).read()
  }
}
