import Glibc

/// A file as memory, read only; the pages come from the disk when they are looked at.
///
/// Files that this program writes are never changed in place, only replaced, so that a mapping stays what it was.
final class MappedFile: @unchecked Sendable {
  // Sendable because nobody writes the memory.

  let path: String
  let bytes: UnsafeRawBufferPointer

  init(_ path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw WeightsError(path, .refused("open it", errno: errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw WeightsError(path, .refused("read it", errno: errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw WeightsError(path, .notAFile) }
    guard status.st_size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let start = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else { throw WeightsError(path, .refused("map it", errno: errno)) }
    bytes = UnsafeRawBufferPointer(start: start, count: Int(status.st_size))
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }
}
