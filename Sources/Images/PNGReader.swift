import CPNG
import Glibc
import System
import Tensors

/// PNG decoding: an open PNG file, of which the whole image or the rows of a window are decoded, once. Decoding stops
/// early, after the last row of the window (`cpng_read_rows`).
package final class PNGReader {
  let header: PNG.Header
  /// Size of the image.
  package var size: Size { header.size }

  private let path: String
  private let file: UnsafeMutablePointer<FILE>
  private let reader: UnsafeMutablePointer<cpng_reader>
  private let isInterlaced: Bool
  /// Whether the values are converted to 8-bit RGB.
  private let convertsToRGB: Bool
  private var isRead = false

  /// Opens a file and reads its header.
  ///
  /// - Throws: `ImageError` if there is no PNG file or one of another kind. Damaged pixels are detected by `read`.
  package convenience init(_ path: String, as kind: PNG.Kind) throws(ImageError) {
    try self.init(path, convertingToRGB: kind == .photograph)
    guard header.isReadable(as: kind) else {
      throw ImageError(
        path: path, problem: "is \(header), but \(kind.needed) is needed here",
        remedy: "convert it to \(kind.needed) or put the right file in its place")
    }
  }

  /// Opens a file of any kind.
  init(_ path: String, convertingToRGB: Bool = false) throws(ImageError) {
    let file = try Self.open(path)
    var (raw, outcome) = (cpng_header(), cpng_outcome())
    guard let reader = cpng_open_reader(file, &raw, &outcome) else {
      fclose(file)
      throw Self.error(outcome, path, convertingToRGB)
    }
    (self.path, self.file, self.reader) = (path, file, reader)
    header = PNG.Header(raw)
    isInterlaced = raw.interlaced != 0
    convertsToRGB = convertingToRGB
    guard size.width * size.height <= PNG.maximumPixels else {
      throw ImageError(
        path: path, problem: "claims to be \(size.widthByHeight), more than an image may have",
        remedy: "it is damaged or no image of a data set; restore the file")
    }
  }

  deinit {
    cpng_close_reader(reader)
    fclose(file)
  }

  /// The text that the file carries under a keyword before its pixels; nil if there is none.
  package func text(_ keyword: String) -> String? { cpng_text(reader, keyword).map { String(cString: $0) } }

  /// Throws if the file is truncated, without decoding its pixels, unless more follows the end of the image: then it reads
  /// the whole image.
  package func requireEnd() throws(ImageError) {
    guard cpng_has_end(file) == 0 else { return }
    if header.bitDepth == 16, !convertsToRGB { _ = try readValues() } else { _ = try read() }
  }

  private var channels: Int { header.color == .rgb || convertsToRGB ? 3 : 1 }

  /// Reads all values of a gray image of any bit depth, and the file to its end.
  package func readValues() throws(ImageError) -> [UInt16] {
    precondition(!convertsToRGB, "an image that is converted to RGB has no values of its own")
    guard header.bitDepth == 16 else { return try read().pixels.map(UInt16.init) }
    var outcome = cpng_outcome()
    let count = size.width * size.height
    let values = [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      if let base = bytes.baseAddress { outcome = readRows(0..<size.height, base.assumingMemoryBound(to: UInt8.self)) }
      guard outcome.status == 0 else { return }
      for pixel in 0..<count { buffer[pixel] = UInt16(bigEndian: buffer[pixel]) }
      initialized = count
    }
    if outcome.status != 0 { throw Self.error(outcome, path, convertsToRGB) }
    return values
  }

  /// Reads the whole image, and the file to its end.
  package func read() throws(ImageError) -> Image {
    requireBytes()
    var outcome = cpng_outcome()
    let image = Image(size, channels: channels) { outcome = readRows(0..<size.height, $0) }
    if outcome.status != 0 { throw Self.error(outcome, path, convertsToRGB) }
    return image
  }

  /// Reads the rows of a window, at their whole width, into `buffer`. Returns a view that is valid until `buffer` is
  /// used again.
  ///
  /// Rows below the window are not decoded, so damage there is not detected; truncation of the file is.
  package func read(_ window: Image.Rect, into buffer: ImageBuffer) throws(ImageError) -> ImageView {
    requireBytes()
    precondition(window.lies(in: size), "the window must lie in the image")
    var outcome = cpng_outcome()
    let rows = isInterlaced ? 0..<size.height : window.rows
    let view = buffer.fill(size: size, channels: channels, rows: rows) { pixels in
      if let base = pixels.baseAddress { outcome = readRows(rows, base) }
    }
    if outcome.status != 0 { throw Self.error(outcome, path, convertsToRGB) }
    return view
  }

  /// Values of 16 bits have `readValues`.
  private func requireBytes() {
    precondition(header.bitDepth <= 8 || convertsToRGB, "an image of 16-bit values is read by readValues")
  }

  private func readRows(_ rows: Range<Int>, _ pixels: UnsafeMutablePointer<UInt8>) -> cpng_outcome {
    precondition(!isRead, "a PNGReader reads once")
    isRead = true
    let valueBytes = header.bitDepth == 16 && !convertsToRGB ? 2 : 1
    return cpng_read_rows(
      reader, UInt32(rows.lowerBound), UInt32(rows.count), convertsToRGB ? 1 : 0, size.width * channels * valueBytes,
      pixels)
  }

  private static func open(_ path: String) throws(ImageError) -> UnsafeMutablePointer<FILE> {
    // A named pipe without a writer would block, and signals with it.
    let descriptor = Glibc.open(path.pathBytes, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0, let file = fdopen(descriptor, "rb") else {
      let code = errno
      throw ImageError(
        path: path,
        problem: code == ENOENT ? "does not exist" : "cannot be opened (\(String(cString: strerror(code))))",
        remedy: code == ENOENT ? "restore the file or correct the path" : "make the file readable")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      fclose(file)
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "a device or pipe"
      throw ImageError(path: path, problem: "is \(kind), not an image", remedy: "name an image file")
    }
    return file
  }

  private static func error(_ outcome: cpng_outcome, _ path: String, _ isPhotograph: Bool) -> ImageError {
    let problem: String
    switch UInt32(outcome.status) {
    case CPNG_EMPTY.rawValue: problem = "is empty"
    case CPNG_NOT_A_PNG.rawValue:
      return ImageError(
        path: path, problem: isPhotograph ? "is neither a PNG nor a JPEG file" : "is not a PNG file",
        remedy: "convert it to PNG or restore the file")
    case CPNG_TRUNCATED.rawValue: problem = "is truncated"
    case CPNG_IO_ERROR.rawValue: problem = "cannot be read (\(outcome.text))"
    default: problem = "is damaged (\(outcome.text))"
    }
    return ImageError(path: path, problem: problem, remedy: "restore the file")
  }
}

extension cpng_outcome {
  var text: String {
    withUnsafeBytes(of: message) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
