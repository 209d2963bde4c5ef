import Foundation
import Glibc

/// The operations that create, write, replace and remove files. A test can make each of them fail.
package struct FileSystem: Sendable {
  /// An operation, in the words of an error message.
  package enum Operation: String, Sendable, Equatable {
    case createDirectory = "create this directory"
    case syncDirectory = "sync this directory"
    case create, open, read, map, write, sync, close, remove
    case rename = "give the new file this name"
  }

  /// Called before each operation that changes the disk, with its path. If it throws, the operation is not executed.
  package var before: (@Sendable (Operation, String) throws -> Void)?

  /// Whether writing counts as a piece of work of this process (`Activity.advance`). What is written at regular times,
  /// whatever the process does, must not: it would hide that the process is stuck.
  let isProgress: Bool

  package init(isProgress: Bool = true, before: (@Sendable (Operation, String) throws -> Void)? = nil) {
    self.isProgress = isProgress
    self.before = before
  }

  /// Creates a directory and its missing parents. Does nothing if the directory exists.
  package func createDirectory(_ path: String) throws {
    if Self.isDirectory(path, followingLinks: true) { return }
    guard path.utf8.count < Int(PATH_MAX) else { throw FileError(path, .createDirectory, errno: ENAMETOOLONG) }
    let parent = Self.parent(of: path)
    if parent != path, access(parent.pathBytes, F_OK) != 0 { try createDirectory(parent) }
    try before?(.createDirectory, path)
    guard mkdir(path.pathBytes, 0o777) != 0 else { return }
    let code = errno
    // Another process may have created it in the meantime.
    guard code == EEXIST, Self.isDirectory(path, followingLinks: true) else {
      throw FileError(path, .createDirectory, errno: code)
    }
  }

  /// Renames `source` to `target`. A file of that name is replaced atomically.
  package func rename(_ source: String, to target: String) throws {
    try before?(.rename, source)
    guard Glibc.rename(source.pathBytes, target.pathBytes) == 0 else { throw FileError(target, .rename, errno: errno) }
  }

  /// Writes a small file to a directory and removes it.
  package func probe(_ directory: String) throws {
    let path = "\(directory)/.probe-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
    do {
      try replaceFile(path, with: "probe".utf8, sync: false)
      try remove(path)
    } catch let error as FileError {
      throw FileError(directory, error.problem)
    }
  }

  /// Checks that a file can be written to `path`, without touching what is there.
  package func probeFile(_ path: String) throws {
    if Self.isDirectory(path, followingLinks: true) { throw FileError(path, .create, errno: EISDIR) }
    if !Self.isStream(path) { try probe(Self.parent(of: path)) }
  }

  /// Waits until the names in a directory are on the disk.
  package func syncDirectory(_ path: String) throws {
    try before?(.syncDirectory, path)
    let descriptor = open(path.pathBytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    defer { close(descriptor) }
    // Some network file systems cannot sync a directory and answer EINVAL.
    guard retryingInterrupted({ fsync(descriptor) }) == 0 || errno == EINVAL else {
      throw FileError(path, .syncDirectory, errno: errno)
    }
  }

  /// Removes a file or an empty directory. It is not an error if there is none.
  package func remove(_ path: String) throws {
    try before?(.remove, path)
    guard Glibc.remove(path.pathBytes) == 0 || errno == ENOENT else { throw FileError(path, .remove, errno: errno) }
  }

  /// Replaces a file atomically: a reader sees the old contents or the new ones, never a part of them.
  ///
  /// Writes a temporary file beside it, syncs it, renames it and syncs the directory. When any of these fails the old
  /// file is unchanged and the temporary one is removed. A device or pipe, such as `/dev/stdout`, is written to.
  ///
  /// - Parameters:
  ///   - sync: whether to wait for the disk. Without it a power failure may lose the file; use that for files that can
  ///     be regenerated.
  ///   - severalWriters: whether other processes may write the same file at the same time. Then the temporary file has
  ///     a random name; otherwise a fixed one, so that the next call overwrites what a killed process left.
  ///   - body: writes the contents.
  /// - Throws: `FileError`, which names `path`, or what `body` throws.
  package func replaceFile(
    _ path: String, sync: Bool = true, severalWriters: Bool = false, _ body: (OutputFile) throws -> Void
  ) throws {
    if Self.isStream(path) {
      let file = try OutputFile(stream: path, in: self)
      try body(file)
      try file.close(sync: false)
      return
    }
    let directory = Self.parent(of: path)
    let suffix = severalWriters ? "." + String(UInt64.random(in: 0...UInt64.max), radix: 36) : ""
    let temporary = directory + "/." + Self.name(of: path) + suffix + ".tmp"
    do {
      let file = try OutputFile(temporary, in: self)
      try body(file)
      try file.close(sync: sync)
      try rename(temporary, to: path)
    } catch {
      try? remove(temporary)
      // The user knows the file by its final name.
      guard let failure = error as? FileError, failure.path == temporary else { throw error }
      throw FileError(path, failure.problem)
    }
    if sync { try syncDirectory(directory) }
  }

  /// Replaces a file atomically by these bytes.
  package func replaceFile(
    _ path: String, with bytes: some Collection<UInt8>, sync: Bool = true, severalWriters: Bool = false
  ) throws {
    try replaceFile(path, sync: sync, severalWriters: severalWriters) { try $0.write(bytes) }
  }
}

// MARK: - Paths

extension FileSystem {
  /// Names in a directory, sorted; empty if it cannot be read.
  package static func names(in directory: String) -> [String] { (try? list(directory)) ?? [] }

  /// Names in a directory, sorted, whatever their bytes are (`String.init(pathBytes:)`).
  package static func list(_ directory: String) throws -> [String] {
    guard let stream = opendir(directory.pathBytes) else { throw FileError(directory, .open, errno: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      // In place: a copy of the whole array may reach beyond the entry.
      guard let start = entry.pointer(to: \.d_name) else { continue }
      names.append(String(path: UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)))
    }
    guard errno == 0 else { throw FileError(directory, .read, errno: errno) }
    return names.filter { $0 != "." && $0 != ".." }.sorted()
  }

  /// Bytes of the file at `path`, following symbolic links; nil if there is none.
  package static func size(of path: String) -> Int? {
    var status = stat()
    return stat(path.pathBytes, &status) == 0 ? Int(status.st_size) : nil
  }

  /// Whether `path` is a device, pipe or socket, or an open file of this process below `/dev` or `/proc`.
  package static func isStream(_ path: String) -> Bool {
    var status = stat()
    guard lstat(path.pathBytes, &status) == 0 else { return false }
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFDIR: return false
    case S_IFLNK:
      let isOpenFile = path.hasPrefix("/dev/") && !path.hasPrefix("/dev/shm/") || path.hasPrefix("/proc/")
      return isOpenFile && !isDirectory(path, followingLinks: true)
    default: return true
    }
  }

  /// Whether there is a directory at `path`.
  ///
  /// - Parameter followingLinks: whether a symbolic link to a directory counts as one.
  package static func isDirectory(_ path: String, followingLinks: Bool = false) -> Bool {
    var status = stat()
    return (followingLinks ? stat(path.pathBytes, &status) : lstat(path.pathBytes, &status)) == 0
      && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The absolute path without symbolic links; what does not exist keeps its name.
  package static func canonical(_ path: String) -> String {
    guard path.utf8.count < Int(PATH_MAX) else { return path }
    guard let real = realpath(path.pathBytes, nil) else {
      let parent = parent(of: path)
      return parent == path ? path : join(canonical(parent), name(of: path))
    }
    defer { free(real) }
    return String(path: real)
  }

  /// The absolute path of what is replaced when a file is written to `path`: without symbolic links, but for the last
  /// component.
  package static func target(_ path: String) -> String { join(canonical(parent(of: path)), name(of: path)) }

  package static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// Whether there is anything at `path`, a broken symbolic link included.
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path.pathBytes, &status) == 0
  }

  /// Whether two paths lead to the same file or directory.
  package static func isSame(_ first: String, _ second: String) -> Bool {
    var (a, b) = (stat(), stat())
    return stat(first.pathBytes, &a) == 0 && stat(second.pathBytes, &b) == 0 && a.st_dev == b.st_dev
      && a.st_ino == b.st_ino
  }

  /// The device number of the file system that `path` is on, or would be on once it is created.
  package static func device(of path: String) -> dev_t? {
    var status = stat()
    if stat(path.pathBytes, &status) == 0 { return status.st_dev }
    let parent = parent(of: path)
    return parent == path ? nil : device(of: parent)
  }

  /// Bytes that this user can still write in a directory; nil if that is not known. Quotas may allow less.
  package static func freeBytes(in directory: String) -> Int? {
    var status = statvfs()
    // Some file systems do not count their blocks.
    guard statvfs(directory.pathBytes, &status) == 0, status.f_blocks > 0 else { return nil }
    return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
  }

  /// Whether the disk of `path` can hold no more files, though it may have room.
  static func lacksInodes(_ path: String) -> Bool {
    var status = statvfs()
    return statvfs(parent(of: path).pathBytes, &status) == 0 && status.f_files > 0 && status.f_favail == 0
  }

  /// The directory that holds `path`, as POSIX's `dirname`. Foundation's `deletingLastPathComponent` traps on a path of
  /// one character.
  package static func parent(of path: String) -> String { components(of: path).parent }

  /// The last component of `path`, as POSIX's `basename`.
  package static func name(of path: String) -> String { components(of: path).name }

  private static func components(of path: String) -> (parent: String, name: String) {
    func withoutTrailingSlashes(_ text: Substring) -> Substring {
      text[..<(text.lastIndex { $0 != "/" }.map(text.index(after:)) ?? text.startIndex)]
    }
    let trimmed = withoutTrailingSlashes(path[...])
    guard !trimmed.isEmpty else { return path.isEmpty ? (".", "") : ("/", "/") }
    guard let slash = trimmed.lastIndex(of: "/") else { return (".", String(trimmed)) }
    let parent = withoutTrailingSlashes(trimmed[..<slash])
    return (parent.isEmpty ? "/" : String(parent), String(trimmed[trimmed.index(after: slash)...]))
  }
}

/// Repeats a system call that a signal interrupted.
func retryingInterrupted<Status: SignedInteger>(_ call: () -> Status) -> Status {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
