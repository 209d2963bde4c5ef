import Glibc

/// Reads PNG files one after the other, or the part of them that is wanted, with memory that it uses again.
///
/// Files as programs write them, whole and not interlaced, are decoded here, in about half of the time that libpng and
/// zlib take, maps of labels in a fifth or less. All others go to libpng, which reads them or says what is wrong.
package final class PNGReader {
  private let inflater = Inflater()
  /// The file, then its packed pixels side by side at the beginning.
  private var file = ReusedBytes()
  /// Unpacked rows with their filters, the last ones of them.
  private var rows = ReusedBytes()
  /// A row of zeros, and rows above those that are wanted.
  private var zeros = ReusedBytes()

  private var path = ""
  private var kind = PNG.Kind.rgb
  private var size = (width: 0, height: 0)
  /// Whether the file is one that is decoded here.
  private var isOrdinary = false
  private var packed: [Packed] = []

  /// A chunk of packed pixels, after those before it.
  private struct Packed {
    let count: Int
    let crc: UInt32
  }

  package init() {}

  /// Opens a file: `read` reads from it.
  ///
  /// - Returns: the size of its image.
  /// - Throws: `ImageError`, as reading does; that a file is damaged may be seen only then.
  package func open(_ path: String, as kind: PNG.Kind) throws(ImageError) -> (width: Int, height: Int) {
    (self.path, self.kind) = (path, kind)
    let parsed = loadFile() ? parse() : nil
    isOrdinary = parsed != nil
    if let parsed {
      size = parsed
    } else {
      let header = try PNG.header(path)
      size = (header.width, header.height)
    }
    return size
  }

  /// Reads the whole image.
  package func read() throws(ImageError) -> Image {
    guard isOrdinary else { return try readByLibrary() }
    var isWhole = false
    let image = Image(
      width: size.width, height: size.height, channels: kind.channels, slack: PNGFilter.slack
    ) { pixels in
      isWhole = decode(0..<size.height, columns: size.width, to: pixels)
    }
    return isWhole && areIntact(inflatedFrom: .max) ? image : try readByLibrary()
  }

  /// Reads the rows of a window, each from column 0 to the window's last one, and lends them until `rows` is used again.
  ///
  /// Damage in rows below the window is not seen, but that the file is cut short is.
  package func read(_ window: Image.Rect, into rows: ImageRows) throws(ImageError) -> ImageView {
    precondition(window.lies(in: size.width, size.height), "the window lies in the image")
    guard isOrdinary else { return rows.take(try readByLibrary()) }
    let (range, columns) = (window.y..<window.y + window.height, window.x + window.width)
    var isWhole = false
    let view = rows.view(of: size, channels: kind.channels, window: window) { pixels in
      isWhole = decode(range, columns: columns, to: pixels)
    }
    if isWhole, areIntact(inflatedFrom: inflater.consumed(since: file.start)) { return view }
    return rows.take(try readByLibrary())
  }

  private func readByLibrary() throws(ImageError) -> Image {
    let image = try PNG.readByLibrary(path, as: kind)
    guard image.width == size.width, image.height == size.height else {
      throw ImageError(
        path: path, problem: "changed while it was read", remedy: "leave the files alone while they are used")
    }
    return image
  }

  // MARK: - The file

  /// - Returns: whether it could be read.
  private func loadFile() -> Bool {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size < 1 << 31 else {
      return false
    }
    let count = Int(status.st_size)
    file.reserve(count + Inflater.inputSlack)
    var loaded = 0
    while loaded < count {
      let more = Glibc.read(descriptor, file.start + loaded, count - loaded)
      if more < 0, errno == EINTR { continue }
      guard more > 0 else { return false }
      loaded += more
    }
    file.count = count
    return true
  }

  /// Walks along the chunks and moves packed pixels together.
  ///
  /// - Returns: the size of the image; nil for a file that is left to libpng.
  private func parse() -> (width: Int, height: Int)? {
    let bytes = file.start
    let count = file.count
    guard count >= 8 + 25 + 12, Self.signature.indices.allSatisfy({ bytes[$0] == Self.signature[$0] }) else {
      return nil
    }
    var size: (width: Int, height: Int)?
    packed.removeAll(keepingCapacity: true)
    var (at, pixels) = (8, 0)
    var isAfterPixels = false
    while at + 12 <= count {
      let (length, name) = (number(at), number(at + 4))
      let content = at + 8
      guard length <= count - at - 12 else { return nil }
      let crc = UInt32(truncatingIfNeeded: number(content + length))
      if name == Self.name("IDAT") {
        guard size != nil, !isAfterPixels else { return nil }
        memmove(bytes + pixels, bytes + content, length)
        packed.append(Packed(count: length, crc: crc))
        pixels += length
      } else {
        isAfterPixels = pixels > 0
        guard CRC32.of(bytes + at + 4, count: length + 4) == crc else { return nil }
        switch name {
        case Self.name("IHDR"):
          guard at == 8, length == 13 else { return nil }
          size = ordinarySize(content)
          if size == nil { return nil }
        case Self.name("IEND"):
          guard length == 0, pixels > 0, let size else { return nil }
          inflater.begin(bytes, count: pixels)
          return size
        default:
          // A letter in upper case: a chunk that must be understood.
          if bytes[at + 4] & 0x20 == 0 { return nil }
        }
      }
      at = content + length + 4
    }
    return nil
  }

  private func ordinarySize(_ at: Int) -> (width: Int, height: Int)? {
    let (width, height) = (number(at), number(at + 4))
    let rest = (8..<13).map { file.start[at + $0] }
    guard width > 0, height > 0, width < 1 << 28, height < 1 << 28, width * height <= PNG.mostPixels,
      rest == [8, kind == .rgb ? 2 : 0, 0, 0, 0]
    else { return nil }
    return (width, height)
  }

  private func number(_ at: Int) -> Int {
    Int(UInt32(bigEndian: UnsafeRawPointer(file.start + at).loadUnaligned(as: UInt32.self)))
  }

  private static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  private static func name(_ name: StaticString) -> Int {
    (0..<4).reduce(0) { $0 << 8 | Int(name.utf8Start[$1]) }
  }

  /// Whether the chunks are what was written that hold the first `count` packed bytes.
  private func areIntact(inflatedFrom count: Int) -> Bool {
    var at = 0
    for chunk in packed where at < count || chunk.count == 0 {
      guard CRC32.of(file.start + at, count: chunk.count, after: Self.crcOfName) == chunk.crc else { return false }
      at += chunk.count
    }
    return true
  }

  private static let crcOfName = Array("IDAT".utf8).withUnsafeBufferPointer { name in
    name.baseAddress.map { CRC32.of($0, count: name.count) } ?? 0
  }

  // MARK: - Rows

  /// Bytes that are unpacked and turned into rows while they are in the cache.
  private static let portion = 128 << 10

  /// - Parameters:
  ///   - columns: how many of each row.
  ///   - pixels: takes `columns` pixels of each row of `range`, and `PNGFilter.slack` bytes more.
  /// - Returns: whether all of them were there.
  private func decode(_ range: Range<Int>, columns: Int, to pixels: UnsafeMutablePointer<UInt8>) -> Bool {
    let channels = kind.channels
    let line = 1 + size.width * channels
    let count = columns * channels
    let room = count + PNGFilter.slack
    zeros.reserve(3 * room)
    zeros.start.update(repeating: 0, count: room)
    rows.reserve(Inflater.window + 2 * line + Self.portion + Inflater.outputSlack + PNGFilter.slack)
    // Rows above the first one that is wanted are needed only to predict it: they take turns in the places of two.
    let spare = (zeros.start + room, zeros.start + 2 * room)
    var above = UnsafePointer(zeros.start)

    var (next, output) = (rows.start, rows.start)  // the first row that is not undone; the end of what is unpacked
    var row = 0
    while row < range.upperBound {
      let wanted = min((range.upperBound - row) * line, max(line, Self.portion / line * line))
      guard let end = inflater.unpack(after: rows.start, to: output, goal: next + wanted) else { return false }
      output = end
      while row < range.upperBound, next + line <= output {
        guard let filter = PNGFilter(rawValue: next[0]) else { return false }
        let target =
          row >= range.lowerBound
          ? pixels + (row - range.lowerBound) * count : row % 2 == 0 ? spare.0 : spare.1
        filter.undo(next + 1, above: above, to: target, count: count, channels: channels)
        above = UnsafePointer(target)
        next += line
        row += 1
      }
      let kept = min(next, output - Inflater.window)
      if kept > rows.start {
        memmove(rows.start, kept, output - kept)
        next -= kept - rows.start
        output -= kept - rows.start
      }
    }
    return true
  }
}
