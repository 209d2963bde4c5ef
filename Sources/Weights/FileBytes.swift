import Glibc

/// Bytes of a file, or made of them, with the object that keeps them.
struct FileBytes: @unchecked Sendable {
  // Unchecked: the bytes are never written.
  let bytes: UnsafeRawBufferPointer
  let owner: AnyObject & Sendable

  init(_ bytes: UnsafeRawBufferPointer, owner: AnyObject & Sendable) {
    self.bytes = bytes
    self.owner = owner
  }
}

/// Memory for bytes that are not in the file as they are needed.
final class OwnedBytes: @unchecked Sendable {
  // Unchecked: written by its creator alone.
  let buffer: UnsafeMutableRawBufferPointer

  /// - Returns: nil if there is no memory for as many bytes.
  init?(count: Int) {
    var start: UnsafeMutableRawPointer?
    guard posix_memalign(&start, 64, max(count, 1)) == 0 else { return nil }
    buffer = UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  deinit { free(buffer.baseAddress) }
}
