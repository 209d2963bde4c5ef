import Foundation
import Glibc
import Synchronization
import System
import Weights

/// File systems with faults.
enum FaultyFileSystem {
  /// An injected fault.
  struct Fault: Error {}

  /// Counts operations.
  final class Counter: Sendable {
    private let operations = Mutex(0)
    var count: Int { operations.withLock { $0 } }
    func next() -> Int {
      operations.withLock { operations in
        operations += 1
        return operations
      }
    }
  }

  static func counting(_ counter: Counter) -> FileSystem { FileSystem { _, _ in _ = counter.next() } }

  /// The process dies just before operation `number`, counted from 1: neither that nor any later one is executed, not
  /// even a cleanup.
  static func dying(before number: Int) -> FileSystem {
    let counter = Counter()
    return FileSystem { _, _ in if counter.next() >= number { throw Fault() } }
  }

  /// Operation `number`, counted from 1, fails; the process continues.
  static func failingOnce(at number: Int) -> FileSystem {
    let counter = Counter()
    return FileSystem { _, _ in if counter.next() == number { throw Fault() } }
  }

  /// A disk that is full when a file whose name ends in `suffix` is written. The kernel itself reports it: the file's
  /// descriptor is redirected to `/dev/full`.
  static func full(for suffix: String) -> FileSystem {
    FileSystem { operation, path in
      guard operation == .write, path.hasSuffix(suffix) else { return }
      guard let descriptor = openDescriptor(of: path) else { throw Fault() }
      let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
      dup2(full, descriptor)
      close(full)
    }
  }

  private static func openDescriptor(of path: String) -> Int32? {
    let real = (path as NSString).resolvingSymlinksInPath
    return (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.compactMap(Int32.init).first {
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
      return target.map { ($0 as NSString).resolvingSymlinksInPath } == real
    }
  }
}
