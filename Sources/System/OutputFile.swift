import Glibc

/// A file being written, with the checksum of what has been written.
package final class OutputFile {
  private let path: String
  private let fileSystem: FileSystem
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var hash = XXH64()
  /// Bytes written so far.
  package private(set) var count = 0

  /// Smaller writes are gathered up to this many bytes.
  private static let bufferSize = 1 << 20
  /// Linux writes less than 2 GiB in one call.
  private static let largestWrite = 1 << 30

  /// Creates a file; an old one of this name is removed first.
  package init(_ path: String, in fileSystem: FileSystem) throws {
    self.path = path
    self.fileSystem = fileSystem
    unlink(path.pathBytes)
    try fileSystem.before?(.create, path)
    descriptor = open(path.pathBytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(path, .create, errno: errno) }
  }

  /// Opens a device or pipe. It is an error if nobody reads the pipe.
  package init(stream path: String, in fileSystem: FileSystem) throws {
    self.path = path
    self.fileSystem = fileSystem
    try fileSystem.before?(.open, path)
    descriptor = open(path.pathBytes, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    let flags = fcntl(descriptor, F_GETFL)
    guard fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) == 0 else { throw FileError(path, .open, errno: errno) }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    hash.update(bytes)
    count += bytes.count
    if buffer.count + bytes.count > Self.bufferSize { try flush() }
    if bytes.count >= Self.bufferSize {
      try writeThrough(bytes)
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  package func write(_ bytes: some Collection<UInt8>) throws { try Array(bytes).withUnsafeBytes { try write($0) } }

  /// Closes the file.
  ///
  /// - Parameter sync: whether to wait until every byte is on the disk.
  /// - Returns: the XXH64 of the bytes.
  @discardableResult
  package func close(sync: Bool = true) throws -> UInt64 {
    try flush()
    if sync {
      try fileSystem.before?(.sync, path)
      guard retryingInterrupted({ fsync(descriptor) }) == 0 else { throw FileError(path, .sync, errno: errno) }
    }
    let closed = Glibc.close(descriptor)
    descriptor = -1
    guard closed == 0 || errno == EINTR else { throw FileError(path, .close, errno: errno) }
    return hash.value
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try writeThrough($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws {
    guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
    try fileSystem.before?(.write, path)
    var written = 0
    while written < bytes.count {
      let piece = min(bytes.count - written, Self.largestWrite)
      let result = retryingInterrupted { Glibc.write(descriptor, start + written, piece) }
      guard result > 0 else { throw FileError(path, .write, errno: errno) }
      written += result
      if fileSystem.isProgress { Activity.advance() }
    }
  }
}
