import CJPEG
import System
import Tensors

/// JPEG files, read through libjpeg-turbo, if the program was built where it is installed.
package enum JPEG {
  /// Whether this program can read JPEG files.
  package static let isSupported =
    [0xFF, 0xD8].withUnsafeBufferPointer { UInt32(decode($0, into: nil).outcome.status) } != CJPEG_NO_LIBRARY.rawValue

  /// Whether a file begins as a JPEG file does.
  static func isBeginning(_ bytes: some Collection<UInt8>) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

  /// Reads the size of an image, without its pixels.
  package static func size(_ path: String) throws(ImageError) -> Size { try size(of: open(path)) }

  private static func size(of file: MappedFile) throws(ImageError) -> Size {
    let path = file.path
    let (outcome, size) = file.bytes.withMemoryRebound(to: UInt8.self) { decode($0, into: nil) }
    try check(outcome, path)
    guard size.height * size.width <= PNG.maximumPixels else {
      throw ImageError(
        path: path,
        problem: "claims to be \(size.widthByHeight), more than the \(PNG.maximumPixels) pixels of an image",
        remedy: "scale it down, or restore the file if it is damaged")
    }
    // Each block of 8×8 pixels takes a bit at least.
    guard size.height * size.width <= 512 * file.bytes.count else {
      throw ImageError(
        path: path, problem: "claims to be \(size.widthByHeight), more than its \(file.bytes.count) bytes can hold",
        remedy: "it is truncated or damaged; restore the file")
    }
    return size
  }

  /// Reads a whole image as RGB: gray becomes RGB, an orientation in Exif data is not applied.
  ///
  /// - Throws: `ImageError` if the file is missing, truncated, damaged or of a kind that libjpeg does not decode, or if
  ///   the program was built without libjpeg.
  package static func read(_ path: String) throws(ImageError) -> Image {
    let file = try open(path)
    let size = try size(of: file)
    defer { withExtendedLifetime(file) {} }
    var outcome = cjpeg_outcome()
    let image = Image(size, channels: 3) { pixels in
      outcome = file.bytes.withMemoryRebound(to: UInt8.self) { decode($0, into: (pixels, size)).outcome }
    }
    try check(outcome, path)
    return image
  }

  private static func open(_ path: String) throws(ImageError) -> MappedFile {
    do {
      return try MappedFile(path)
    } catch {
      throw ImageError(
        path: path, problem: "cannot be read (\(error.posixMessage))", remedy: "restore the file or correct the path")
    }
  }

  private static func decode(
    _ bytes: UnsafeBufferPointer<UInt8>, into target: (pixels: UnsafeMutablePointer<UInt8>, size: Size)?
  ) -> (outcome: cjpeg_outcome, size: Size) {
    var width = UInt32(target?.size.width ?? 0)
    var height = UInt32(target?.size.height ?? 0)
    let outcome = cjpeg_read(bytes.baseAddress, bytes.count, &width, &height, target?.pixels)
    return (outcome, Size(Int(height), Int(width)))
  }

  private static func check(_ outcome: cjpeg_outcome, _ path: String) throws(ImageError) {
    let text = withUnsafeBytes(of: outcome.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    switch UInt32(outcome.status) {
    case CJPEG_DONE.rawValue: return
    case CJPEG_NO_LIBRARY.rawValue:
      throw ImageError(
        path: path, problem: "is a JPEG file, and this program was built without libjpeg",
        remedy: "install libjpeg-dev (libjpeg-turbo) and build again, or convert the file to PNG")
    case CJPEG_UNSUPPORTED.rawValue:
      throw ImageError(
        path: path, problem: "is a JPEG file with \(text), which is not supported", remedy: "convert it to PNG")
    default: throw ImageError(path: path, problem: "is damaged (\(text))", remedy: "restore the file")
    }
  }
}
