import Glibc

/// A file mapped into memory, read only; pages are read from the disk on first access.
///
/// Files that this program writes are only replaced, never changed in place, so that a mapping stays valid.
package final class MappedFile: @unchecked Sendable {
  // Unchecked for the pointer: the memory is never written.

  package let path: String
  /// Valid as long as this object.
  package let bytes: UnsafeRawBufferPointer

  package init(_ path: String) throws {
    self.path = path
    // A named pipe without a writer would block, and signals with it.
    let descriptor = open(path.pathBytes, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path, .read, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path, .notRegularFile) }
    guard status.st_size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let start = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else { throw FileError(path, .map, errno: errno) }
    bytes = UnsafeRawBufferPointer(start: start, count: Int(status.st_size))
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }
}
