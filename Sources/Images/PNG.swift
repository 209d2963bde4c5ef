import CPNG
import Glibc

/// PNG files of 8 bits a channel.
package enum PNG {
  /// What an image is read as. Nothing is converted: a file of another kind is refused.
  package enum Kind: Sendable {
    /// 8-bit red, green, blue: a photograph.
    case rgb
    /// 8-bit gray: a map of labels or edges.
    case gray

    var channels: Int { self == .rgb ? 3 : 1 }
  }

  /// How a file stores its pixels.
  package enum Color: String, Sendable {
    case gray
    case grayWithAlpha = "gray with transparency"
    case palette = "a palette"
    case rgb = "RGB"
    case rgbWithAlpha = "RGB with transparency"
  }

  package struct Header: Sendable, Equatable, CustomStringConvertible {
    package let width: Int
    package let height: Int
    /// Bits a channel: 1, 2, 4, 8 or 16.
    package let bitDepth: Int
    package let color: Color

    package var description: String { "\(bitDepth)-bit \(color == .palette ? "with a palette" : color.rawValue)" }
  }

  /// The most pixels an image may have: a header that claims more is taken for damage.
  package static let mostPixels = 1 << 28

  /// Reads what a file says about itself, without its pixels.
  package static func header(_ path: String) throws(ImageError) -> Header {
    let file = try open(path)
    defer { fclose(file) }
    var raw = cpng_header()
    return try header(of: file, path, &raw)
  }

  /// Reads an image; interlaced or not makes no difference.
  package static func read(_ path: String, as kind: Kind) throws(ImageError) -> Image {
    let reader = PNGReader()
    _ = try reader.open(path, as: kind)
    return try reader.read()
  }

  /// Reads an image of any sort that libpng knows.
  static func readByLibrary(_ path: String, as kind: Kind) throws(ImageError) -> Image {
    let file = try open(path)
    defer { fclose(file) }
    var raw = cpng_header()
    let header = try header(of: file, path, &raw)
    let (wanted, name): (Color, String) = kind == .rgb ? (.rgb, "8-bit RGB") : (.gray, "8-bit gray")
    guard header.bitDepth == 8, header.color == wanted else {
      throw ImageError(
        path: path, problem: "is \(header), but \(name) is needed here",
        remedy: "convert it to \(name) or put the right file in its place")
    }
    var outcome = cpng_outcome()
    let image = Image(width: header.width, height: header.height, channels: kind.channels) { pixels in
      outcome = cpng_read(file, &raw, pixels)
    }
    try check(outcome, path)
    return image
  }

  private static func open(_ path: String) throws(ImageError) -> UnsafeMutablePointer<FILE> {
    guard let file = fopen(path, "rbe") else {
      let code = errno
      throw ImageError(
        path: path,
        problem: code == ENOENT ? "does not exist" : "cannot be opened (\(String(cString: strerror(code))))",
        remedy: code == ENOENT ? "restore the file or correct the path" : "make the file readable")
    }
    var status = stat()
    if fstat(fileno(file), &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      fclose(file)
      throw ImageError(path: path, problem: "is a folder, not an image", remedy: "name a PNG file")
    }
    return file
  }

  private static func header(
    of file: UnsafeMutablePointer<FILE>, _ path: String, _ raw: inout cpng_header
  ) throws(ImageError) -> Header {
    try check(cpng_read(file, &raw, nil), path)
    let (width, height) = (Int(raw.width), Int(raw.height))
    guard width * height <= mostPixels else {
      throw ImageError(
        path: path, problem: "claims to be \(width)×\(height), which no image here is",
        remedy: "it is damaged or not meant for this; restore the file")
    }
    let color: Color =
      switch raw.color_type {
      case PNG_COLOR_TYPE_GRAY: .gray
      case PNG_COLOR_TYPE_GRAY | PNG_COLOR_MASK_ALPHA: .grayWithAlpha
      case PNG_COLOR_TYPE_RGB: .rgb
      case PNG_COLOR_TYPE_RGB | PNG_COLOR_MASK_ALPHA: .rgbWithAlpha
      default: .palette
      }
    return Header(width: width, height: height, bitDepth: Int(raw.bit_depth), color: color)
  }

  private static func check(_ outcome: cpng_outcome, _ path: String) throws(ImageError) {
    let problem: String
    switch UInt32(outcome.status) {
    case CPNG_DONE.rawValue: return
    case CPNG_EMPTY.rawValue: problem = "is empty"
    case CPNG_NOT_A_PNG.rawValue:
      throw ImageError(path: path, problem: "is not a PNG file", remedy: "convert it to PNG or restore the file")
    case CPNG_TRUNCATED.rawValue: problem = "is truncated"
    case CPNG_IO_ERROR.rawValue: problem = "cannot be read (\(outcome.text))"
    default: problem = "is damaged (\(outcome.text))"
    }
    throw ImageError(path: path, problem: problem, remedy: "restore the file")
  }
}

extension cpng_outcome {
  var text: String {
    withUnsafeBytes(of: message) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
