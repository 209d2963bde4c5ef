import Glibc
import System

/// A directory of checkpoints, for its only writer: publishes and removes checkpoints.
///
/// Everything is done under a name that begins with `.tmp-`. A single atomic rename publishes a checkpoint or withdraws
/// it. What this program did not write is never removed, and what cannot be removed stops nothing: it is tried again
/// at the next `cleanUp`.
struct CheckpointFolder: Sendable {
  let path: String
  let fileSystem: FileSystem
  /// Called with the path of what cannot be removed.
  private let obstacle: @Sendable (String, any Error) -> Void
  /// The file system that holds the directory. Once it is unmounted, the path leads to another one.
  private let device: dev_t?

  private static let writing = ".tmp-"
  private static let replaced = ".tmp-replaced-"
  private static let removed = ".tmp-removed-"

  /// Creates the directory if it is missing and removes what a killed run left unfinished.
  init(
    _ path: String, in fileSystem: FileSystem, obstacle: @escaping @Sendable (String, any Error) -> Void
  ) throws {
    self.path = path
    self.fileSystem = fileSystem
    self.obstacle = obstacle
    try fileSystem.createDirectory(path)
    device = FileSystem.device(of: path)
    cleanUp()
  }

  private func place(_ name: String) -> String { path + "/" + name }

  /// Creates an empty directory in which the checkpoint of this name is written.
  ///
  /// - Returns: its path.
  func createTemporary(_ name: String) throws -> String {
    guard FileSystem.device(of: path) == device else { throw FileError(path, .open, errno: ENODEV) }
    let temporary = free(Self.writing + name)
    try fileSystem.createDirectory(temporary)
    return temporary
  }

  /// Removes what a killed run left unfinished, and what could not be removed before.
  func cleanUp() {
    // Descending, so that of several replaced checkpoints of one name the last is taken.
    for name in FileSystem.names(in: path).reversed() {
      guard let (prefix, checkpoint) = Self.temporary(name) else { continue }
      // Killed between the two renames of a replacement: the old checkpoint is the valid one.
      guard prefix == Self.replaced, !FileSystem.exists(place(checkpoint)), isOurs(name) else {
        discard(place(name))
        continue
      }
      do {
        try fileSystem.rename(place(name), to: place(checkpoint))
      } catch {
        obstacle(place(name), error)
      }
    }
  }

  /// The prefix and the checkpoint in the name of a temporary directory that `free` made; nil for any other name.
  private static func temporary(_ name: String) -> (prefix: String, checkpoint: String)? {
    guard let prefix = [replaced, removed, writing].first(where: name.hasPrefix) else { return nil }
    let parts = name.dropFirst(prefix.count).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2 || parts.count == 3 && Int(parts[2]) != nil else { return nil }
    let checkpoint = parts[..<2].joined(separator: "-")
    return Checkpoint.step(ofFolder: checkpoint) == nil ? nil : (prefix, checkpoint)
  }

  /// A path that nothing occupies: what is there is removed, or avoided if it cannot be removed.
  private func free(_ name: String) -> String {
    var number = 1
    while true {
      let candidate = place(number == 1 ? name : "\(name)-\(number)")
      discard(candidate)
      if !FileSystem.exists(candidate) { return candidate }
      number += 1
    }
  }

  /// Renames a finished checkpoint to its final name, in place of an older one of the same step.
  func publish(_ temporary: String, as name: String) throws {
    var old: String?
    if isOurs(name) {
      let aside = free(Self.replaced + name)
      try fileSystem.rename(place(name), to: aside)
      old = aside
    } else if FileSystem.exists(place(name)) {
      try setAside(name)
    }
    do {
      try fileSystem.rename(temporary, to: place(name))
    } catch {
      if let old { try? fileSystem.rename(old, to: place(name)) }
      throw error
    }
    try fileSystem.syncDirectory(path)
    if let old { discard(old) }
  }

  /// Removes a checkpoint. It is renamed first, so that it is never seen half removed.
  func remove(_ name: String) {
    guard isOurs(name) else { return }
    let aside = free(Self.removed + name)
    do {
      try fileSystem.rename(place(name), to: aside)
    } catch {
      return obstacle(place(name), error)
    }
    discard(aside)
  }

  /// Whether a directory has a manifest of this program and holds nothing but files of a checkpoint.
  private func isOurs(_ name: String) -> Bool {
    guard Self.holdsCheckpointFilesOnly(place(name)),
      let manifest = try? MappedFile(place(name) + "/" + CheckpointManifest.name)
    else { return false }
    return manifest.bytes.starts(with: CheckpointManifest.magic.utf8)
  }

  private static func holdsCheckpointFilesOnly(_ folder: String) -> Bool {
    // An NFS client keeps a removed file that somebody still reads under such a name, and removes it in the end.
    FileSystem.names(in: folder).allSatisfy { CheckpointManifest.allNames.contains($0) || $0.hasPrefix(".nfs") }
  }

  /// Renames a directory that has the name of a checkpoint but was not written by this program, so that the user keeps
  /// it.
  private func setAside(_ name: String) throws {
    let taken = Set(FileSystem.names(in: path))
    let free = (1...).lazy.map { "unknown-\(name)-\($0)" }.first { !taken.contains($0) }
    if let free { try fileSystem.rename(place(name), to: place(free)) }
  }

  /// Removes a temporary directory, unless it holds anything but files of a checkpoint.
  func discard(_ folder: String) {
    guard FileSystem.isDirectory(folder), Self.holdsCheckpointFilesOnly(folder) else { return }
    do {
      for name in FileSystem.names(in: folder) where !name.hasPrefix(".nfs") {
        try fileSystem.remove(folder + "/" + name)
      }
      try fileSystem.remove(folder)
    } catch {
      obstacle(folder, error)
    }
  }
}
