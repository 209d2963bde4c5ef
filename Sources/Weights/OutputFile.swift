import Glibc

/// A file being written, together with the checksum of what has been written.
final class OutputFile {
  private let path: String
  private let disk: FileSystem
  private var descriptor: Int32
  private var pending: [UInt8] = []
  private var checksum = Checksum()
  private(set) var count = 0

  /// Small pieces are gathered up to this many bytes.
  private static let pieceSize = 1 << 20
  /// Linux writes no more than 2 GiB at once.
  private static let largestWrite = 1 << 30

  /// Makes a new file; an old one of this name is removed first.
  init(_ path: String, on disk: FileSystem) throws {
    self.path = path
    self.disk = disk
    unlink(path)
    try disk.before?(.create, path)
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw WeightsError(path, .refused("make it", errno: errno)) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    checksum.update(bytes)
    count += bytes.count
    if pending.count + bytes.count > Self.pieceSize { try flush() }
    if bytes.count >= Self.pieceSize {
      try hand(bytes)
    } else {
      pending.append(contentsOf: bytes)
    }
  }

  func write(_ bytes: some Collection<UInt8>) throws { try Array(bytes).withUnsafeBytes { try write($0) } }

  /// Waits until every byte is on the disk and closes the file.
  ///
  /// - Returns: the checksum of the bytes.
  func finish() throws -> UInt64 {
    try flush()
    try disk.before?(.sync, path)
    guard uninterrupted({ fsync(descriptor) }) == 0 else {
      throw WeightsError(path, .refused("make sure that it is on the disk", errno: errno))
    }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 || errno == EINTR else { throw WeightsError(path, .refused("close it", errno: errno)) }
    return checksum.value
  }

  private func flush() throws {
    try pending.withUnsafeBytes { try hand($0) }
    pending.removeAll(keepingCapacity: true)
  }

  private func hand(_ bytes: UnsafeRawBufferPointer) throws {
    guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
    try disk.before?(.write, path)
    var written = 0
    while written < bytes.count {
      let piece = min(bytes.count - written, Self.largestWrite)
      let result = uninterrupted { Glibc.write(descriptor, start + written, piece) }
      guard result > 0 else { throw WeightsError(path, .refused("write it", errno: errno)) }
      written += result
    }
  }
}

/// Replaces a file as a whole: whoever opens it sees the old contents or the new, never a part.
enum AtomicFile {
  /// Writes beside the file, syncs, renames, syncs the folder. When anything fails the old file stays as it was and
  /// nothing is left beside it.
  static func replace(_ path: String, on disk: FileSystem, _ body: (OutputFile) throws -> Void) throws {
    let folder = FileSystem.parent(of: path)
    // Always the same name, so that what a killed program left is overwritten by the next.
    let temporary = folder + "/." + FileSystem.name(of: path) + ".tmp"
    do {
      let file = try OutputFile(temporary, on: disk)
      try body(file)
      _ = try file.finish()
      try disk.rename(temporary, to: path)
    } catch {
      try? disk.remove(temporary)
      // The user knows the file by its own name.
      guard let failure = error as? WeightsError, failure.file == temporary else { throw error }
      throw WeightsError(path, failure.problem)
    }
    try disk.syncFolder(folder)
  }
}
