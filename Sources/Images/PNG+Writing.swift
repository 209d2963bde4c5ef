import CPNG
import Foundation
import Glibc
import System

extension PNG {
  /// A text that a file carries before its pixels (a tEXt chunk).
  package struct Text: Sendable, Equatable {
    /// 1 to 79 characters of ASCII.
    package let keyword: String
    /// ASCII.
    package let value: String

    package init(keyword: String, value: String) {
      self.keyword = keyword
      self.value = value
    }
  }

  /// Writes an image as 8-bit RGB or gray, replacing the file atomically.
  package static func write(_ image: Image, to path: String, text: Text? = nil) throws(ImageError) {
    try write(encoded: encode(image, for: path, text: text), to: path)
  }

  /// Writes a map of values with a palette: viewers show colors, programs read the values. Replaces the file atomically.
  ///
  /// - Parameters: as for `encode`.
  package static func write(indices: Image, palette: [Palette.Color], to path: String) throws(ImageError) {
    try write(encoded: encode(indices: indices, palette: palette, for: path), to: path)
  }

  /// Writes an encoded image, replacing the file atomically.
  package static func write(encoded bytes: [UInt8], to path: String) throws(ImageError) {
    do {
      // Preprocessed files can be written again, and several jobs may preprocess the same data set.
      try FileSystem().replaceFile(path, with: bytes, sync: false, severalWriters: true)
    } catch {
      throw notWritten(path, error)
    }
  }

  private static func notWritten(_ path: String, _ error: any Error) -> ImageError {
    ImageError(
      path: path, problem: "cannot be written (\(error.posixMessage))",
      remedy: "check that its folder exists, is writable and has room")
  }

  /// An image as an 8-bit RGB or gray file.
  ///
  /// - Parameter path: named in errors.
  package static func encode(_ image: Image, for path: String, text: Text? = nil) throws(ImageError) -> [UInt8] {
    let color = image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY
    return try encode(image, as: color, palette: [], text: text, for: path)
  }

  /// A map of values as a file with a palette.
  ///
  /// - Parameters:
  ///   - indices: an image of one channel with values below the number of colors.
  ///   - palette: the color of value 0, of value 1, and so on; 1 to 256.
  ///   - path: named in errors.
  package static func encode(
    indices: Image, palette: [Palette.Color], for path: String
  ) throws(ImageError) -> [UInt8] {
    precondition(indices.channels == 1, "a map of values has one channel")
    precondition((1...256).contains(palette.count), "a palette has 1 to 256 colors")
    let largest = indices.pixels.max() ?? 0
    guard largest < palette.count else {
      throw ImageError(
        path: path, problem: "not written: value \(largest) has no color in a palette of \(palette.count)",
        remedy: "add a color for it to the palette")
    }
    return try encode(
      indices, as: PNG_COLOR_TYPE_PALETTE, palette: palette.flatMap { [$0.red, $0.green, $0.blue] }, for: path)
  }

  private static func encode(
    _ image: Image, as colorType: Int32, palette: [UInt8], text: Text? = nil, for path: String
  ) throws(ImageError) -> [UInt8] {
    let header = cpng_header(
      width: UInt32(image.size.width), height: UInt32(image.size.height), bit_depth: 8, color_type: colorType,
      interlaced: 0)
    do {
      return try encoded { file in
        image.withPixels { pixels in
          withUnsafePointer(to: header) { header in
            let outcome = cpng_write(
              file, header, palette, Int32(palette.count / 3), compression(of: colorType), text?.keyword, text?.value,
              pixels)
            return outcome.status == 0 ? nil : outcome.text
          }
        }
      }
    } catch {
      throw notWritten(path, error)
    }
  }

  /// zlib's level. Above 4 a photograph takes twice as long and gets no smaller; a label map takes no longer and gets
  /// smaller by a third.
  private static func compression(of colorType: Int32) -> Int32 { colorType == PNG_COLOR_TYPE_RGB ? 4 : 6 }

  /// Returns the bytes that `body` writes.
  ///
  /// - Parameter body: writes to a stream in memory and returns the error, if any.
  private static func encoded(_ body: (UnsafeMutablePointer<FILE>) -> String?) throws -> [UInt8] {
    var start: UnsafeMutablePointer<CChar>?
    var count = 0
    guard let stream = open_memstream(&start, &count) else { throw EncodingError() }
    defer { free(start) }
    let failure = body(stream)
    // `start` and `count` are valid once the stream is closed.
    guard fclose(stream) == 0, failure == nil else {
      throw EncodingError(reason: failure)
    }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }

  private struct EncodingError: LocalizedError {
    let errorDescription: String?

    init(reason: String? = nil) { errorDescription = reason ?? String(cString: strerror(errno)) }
  }
}
