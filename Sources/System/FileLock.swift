import Glibc

/// An advisory lock on a file that names its holder, over NFS too. Held until the object is released or the process
/// ends, in whatever way.
package final class FileLock: Sendable {
  /// False if the file system has no locks.
  package let isExclusive: Bool
  private let path: String
  private let descriptor: Int32

  /// Locks a file, which is created if it is missing and removed with the lock.
  ///
  /// - Parameter holder: a text for those who find it locked.
  /// - Returns: nil if another process holds the lock.
  /// - Throws: `FileError` if the file cannot be opened.
  package static func acquire(_ path: String, holder: String) throws -> FileLock? {
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
      // Not a POSIX lock (fcntl), which ends when any descriptor of the file is closed. Linux makes it one over NFS.
      let locked = retryingInterrupted { flock(descriptor, LOCK_EX | LOCK_NB) } == 0
      if !locked, errno == EWOULDBLOCK {
        close(descriptor)
        return nil
      }
      if locked, !isFile(path, of: descriptor) {
        // Its holder removed it in the meantime: the lock is on a file that nobody else will find.
        close(descriptor)
        continue
      }
      let text = Array(holder.utf8)
      // Only informs: a full disk does not matter.
      if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
      return FileLock(path, descriptor, isExclusive: locked)
    }
  }

  private init(_ path: String, _ descriptor: Int32, isExclusive: Bool) {
    self.path = path
    self.descriptor = descriptor
    self.isExclusive = isExclusive
  }

  deinit {
    removeFile()
    close(descriptor)
  }

  /// Removes the file, and with it the lock; for an exit that does not release the object.
  package func removeFile() {
    if isExclusive, Self.isFile(path, of: descriptor) { unlink(path) }
  }

  /// Whether `path` still is the file that was opened.
  private static func isFile(_ path: String, of descriptor: Int32) -> Bool {
    var (named, opened) = (stat(), stat())
    return stat(path, &named) == 0 && fstat(descriptor, &opened) == 0
      && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino
  }
}
