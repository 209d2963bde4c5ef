import Glibc
import System

/// A text file that another process appends to: reads what was added, and begins again if the file was replaced or cut.
///
/// The file is opened anew each time, which over NFS asks the server for its present size.
struct AppendedFile {
  /// The most bytes kept to recognize the file by.
  private static let most = 64

  private let path: String
  private var identity: (device: dev_t, inode: ino_t)?
  private var offset = 0
  /// The last bytes before `offset`.
  private var tail: [UInt8] = []
  /// The beginning of a line without an end.
  private var partial: [UInt8] = []

  init(_ path: String) { self.path = path }

  /// - Returns: the complete lines added since the last call, and whether they are those of a new file, so that earlier
  ///   ones do not count any more. Nothing and false if the file cannot be read now.
  mutating func read() -> (lines: [String], isNew: Bool) {
    let descriptor = open(path.pathBytes, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return ([], false) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return ([], false) }
    let found = (device: status.st_dev, inode: status.st_ino)
    var isNew = identity.map { $0 != found } ?? true
    // A file with the inode of an earlier one, or cut and written again, ends otherwise there.
    if !isNew {
      isNew = Int(status.st_size) < offset || Self.read(descriptor, at: offset - tail.count, tail.count) != tail
    }
    if isNew { (identity, offset, tail, partial) = (found, 0, [], []) }
    let added = Self.read(descriptor, at: offset, Int(status.st_size) - offset)
    offset += added.count
    tail = Array((tail + added.suffix(Self.most)).suffix(Self.most))
    partial += added
    guard let end = partial.lastIndex(of: UInt8(ascii: "\n")) else { return ([], isNew) }
    let lines = partial[..<end].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    partial.removeSubrange(...end)
    return (lines, isNew)
  }

  /// The bytes at an offset; fewer at the end of the file.
  private static func read(_ descriptor: Int32, at offset: Int, _ count: Int) -> [UInt8] {
    guard count > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { break }
      done += got
    }
    return Array(bytes.prefix(done))
  }
}
