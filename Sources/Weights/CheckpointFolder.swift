import Glibc
import System

/// A directory of checkpoints, for its only writer: publishes and removes checkpoints.
///
/// Everything is done under a name that begins with `.tmp-`. A single atomic rename publishes a checkpoint or withdraws
/// it. What this program did not write is never removed.
struct CheckpointFolder: Sendable {
  let path: String
  let fileSystem: FileSystem

  private static let writing = ".tmp-"
  private static let replaced = ".tmp-replaced-"
  private static let removed = ".tmp-removed-"

  /// Creates the directory if it is missing and removes what a killed run left unfinished.
  init(_ path: String, in fileSystem: FileSystem) throws {
    self.path = path
    self.fileSystem = fileSystem
    try fileSystem.createDirectory(path)
    try cleanUp()
  }

  private func place(_ name: String) -> String { path + "/" + name }

  /// Where the checkpoint of this name is written.
  func temporary(_ name: String) -> String { place(Self.writing + name) }

  private func cleanUp() throws {
    for name in FileSystem.names(in: path) where name.hasPrefix(Self.writing) {
      if name.hasPrefix(Self.replaced), isCheckpointName(name.dropFirst(Self.replaced.count)) {
        let original = place(String(name.dropFirst(Self.replaced.count)))
        // Killed between the two renames of a replacement: the old checkpoint is the valid one.
        if FileSystem.isDirectory(original) {
          try discard(place(name))
        } else {
          try fileSystem.rename(place(name), to: original)
        }
      } else if name.hasPrefix(Self.removed), isCheckpointName(name.dropFirst(Self.removed.count)) {
        try discard(place(name))
      } else if isCheckpointName(name.dropFirst(Self.writing.count)) {
        try discard(place(name))
      }
    }
  }

  private func isCheckpointName(_ name: Substring) -> Bool { Checkpoint.step(ofFolder: String(name)) != nil }

  /// Renames a finished checkpoint to its final name, in place of an older one of the same step.
  func publish(_ name: String) throws {
    let old = place(Self.replaced + name)
    if isOurs(name) {
      try discard(old)
      try fileSystem.rename(place(name), to: old)
    } else if access(place(name), F_OK) == 0 {
      try setAside(name)
    }
    do {
      try fileSystem.rename(temporary(name), to: place(name))
    } catch {
      if FileSystem.isDirectory(old) { try? fileSystem.rename(old, to: place(name)) }
      throw error
    }
    try fileSystem.syncDirectory(path)
    try discard(old)
  }

  /// Removes a checkpoint. It is renamed first, so that it is never seen half removed.
  func remove(_ name: String) throws {
    guard isOurs(name) else { return }
    try fileSystem.rename(place(name), to: place(Self.removed + name))
    try discard(place(Self.removed + name))
  }

  /// Whether a directory has a manifest of this program and holds nothing but files of a checkpoint.
  private func isOurs(_ name: String) -> Bool {
    guard Set(FileSystem.names(in: place(name))).isSubset(of: CheckpointManifest.allNames),
      let manifest = try? MappedFile(place(name) + "/" + CheckpointManifest.name)
    else { return false }
    return manifest.bytes.starts(with: CheckpointManifest.magic.utf8)
  }

  /// Renames a directory that has the name of a checkpoint but was not written by this program, so that the user keeps
  /// it.
  private func setAside(_ name: String) throws {
    let taken = Set(FileSystem.names(in: path))
    let free = (1...).lazy.map { "unknown-\(name)-\($0)" }.first { !taken.contains($0) }
    if let free { try fileSystem.rename(place(name), to: place(free)) }
  }

  /// Removes a temporary directory, unless it holds anything but files of a checkpoint.
  func discard(_ folder: String) throws {
    guard FileSystem.isDirectory(folder) else { return }
    let names = FileSystem.names(in: folder)
    guard Set(names).isSubset(of: CheckpointManifest.allNames) else { return }
    for name in names { try fileSystem.remove(folder + "/" + name) }
    try fileSystem.remove(folder)
  }
}
