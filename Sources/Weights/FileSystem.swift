import Foundation
import Glibc

/// The few operations by which files come to lie on a disk, each of which a test can make fail.
package struct FileSystem: Sendable {
  package enum Operation: Sendable, Equatable {
    case makeFolder, create, write, sync, rename, syncFolder, remove
  }

  /// Called before each operation with what it works on; where it throws, the operation is not done.
  package var before: (@Sendable (Operation, String) throws -> Void)?

  package init(before: (@Sendable (Operation, String) throws -> Void)? = nil) { self.before = before }

  /// Makes a folder, and those above it where they are missing.
  func makeFolder(_ path: String) throws {
    if access(path, F_OK) == 0 { return }
    let parent = Self.parent(of: path)
    if parent != path { try makeFolder(parent) }
    try before?(.makeFolder, path)
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw WeightsError(path, .refused("make this folder", errno: errno))
    }
  }

  /// Gives `source` the name `target`; a file of that name is replaced in the same instant.
  func rename(_ source: String, to target: String) throws {
    try before?(.rename, source)
    guard Glibc.rename(source, target) == 0 else {
      throw WeightsError(target, .refused("rename \(source) to it", errno: errno))
    }
  }

  /// Waits until the names in a folder are on the disk.
  func syncFolder(_ path: String) throws {
    try before?(.syncFolder, path)
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw WeightsError(path, .refused("open this folder", errno: errno)) }
    defer { close(descriptor) }
    // Some network file systems have no such thing for folders and say EINVAL.
    guard uninterrupted({ fsync(descriptor) }) == 0 || errno == EINVAL else {
      throw WeightsError(path, .refused("make sure that its names are on the disk", errno: errno))
    }
  }

  /// Removes a file, or an empty folder; that there is none is no error.
  func remove(_ path: String) throws {
    try before?(.remove, path)
    guard Glibc.remove(path) == 0 || errno == ENOENT else {
      throw WeightsError(path, .refused("remove it", errno: errno))
    }
  }

  /// Names in a folder, sorted; none where it cannot be read.
  static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The folder that holds `path`.
  static func parent(of path: String) -> String {
    let parent = (path as NSString).deletingLastPathComponent
    return parent.isEmpty ? "." : parent
  }

  static func name(of path: String) -> String { (path as NSString).lastPathComponent }
}

/// Repeats a call of the system that a signal cut short.
func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
