import Glibc

/// A folder of checkpoints as its only writer sees it: what it made itself, and how that is removed.
///
/// Everything happens under a name that begins with `.tmp-` until a single rename makes it count, or stop to count.
/// What this program did not make is never removed.
struct CheckpointFolder: Sendable {
  let path: String
  let disk: FileSystem

  private static let writing = ".tmp-"
  private static let replaced = ".tmp-replaced-"
  private static let removed = ".tmp-removed-"

  /// Makes the folder where it is missing and puts in order what a killed run left.
  init(_ path: String, on disk: FileSystem) throws {
    self.path = path
    self.disk = disk
    try disk.makeFolder(path)
    try tidy()
  }

  private func place(_ name: String) -> String { path + "/" + name }

  /// Where the checkpoint of this name is written.
  func temporary(_ name: String) -> String { place(Self.writing + name) }

  private func tidy() throws {
    for name in FileSystem.names(in: path) where name.hasPrefix(Self.writing) {
      if name.hasPrefix(Self.replaced), isCheckpointName(name.dropFirst(Self.replaced.count)) {
        let original = place(String(name.dropFirst(Self.replaced.count)))
        // Killed between the two renames that replace a checkpoint: the old one is the one that counts.
        if FileSystem.isFolder(original) { try discard(place(name)) } else { try disk.rename(place(name), to: original) }
      } else if name.hasPrefix(Self.removed), isCheckpointName(name.dropFirst(Self.removed.count)) {
        try discard(place(name))
      } else if isCheckpointName(name.dropFirst(Self.writing.count)) {
        try discard(place(name))
      }
    }
  }

  private func isCheckpointName(_ name: Substring) -> Bool { Checkpoint.step(ofFolder: String(name)) != nil }

  /// Checkpoints whose manifest can be read, the last written first.
  func manifests() -> [(name: String, manifest: CheckpointManifest)] {
    FileSystem.names(in: path).compactMap { name in
      guard Checkpoint.step(ofFolder: name) != nil, FileSystem.isFolder(place(name)) else { return nil }
      return (try? CheckpointManifest(of: place(name))).map { (name, $0) }
    }
    .sorted { ($0.manifest.generation, $0.name) > ($1.manifest.generation, $1.name) }
  }

  /// Gives a finished checkpoint the name by which it is found, in place of an older one of the same step.
  func publish(_ name: String) throws {
    let old = place(Self.replaced + name)
    if isOurs(name) {
      try discard(old)
      try disk.rename(place(name), to: old)
    } else if access(place(name), F_OK) == 0 {
      try setAside(name)
    }
    do {
      try disk.rename(temporary(name), to: place(name))
    } catch {
      if FileSystem.isFolder(old) { try? disk.rename(old, to: place(name)) }
      throw error
    }
    try disk.syncFolder(path)
    try discard(old)
  }

  /// Removes a checkpoint: first it loses its name, so that it is never seen half removed.
  func remove(_ name: String) throws {
    guard isOurs(name) else { return }
    try disk.rename(place(name), to: place(Self.removed + name))
    try discard(place(Self.removed + name))
  }

  /// Whether a folder bears the mark of a checkpoint and holds nothing else.
  private func isOurs(_ name: String) -> Bool {
    guard Set(FileSystem.names(in: place(name))).isSubset(of: CheckpointManifest.allNames),
      let manifest = try? MappedFile(place(name) + "/" + CheckpointManifest.name)
    else { return false }
    return manifest.bytes.starts(with: CheckpointManifest.mark.utf8)
  }

  /// Renames a folder that has the name of a checkpoint but is not one, or not any more, for somebody to look at.
  private func setAside(_ name: String) throws {
    let taken = Set(FileSystem.names(in: path))
    let free = (1...).lazy.map { "unknown-\(name)-\($0)" }.first { !taken.contains($0) }
    if let free { try disk.rename(place(name), to: place(free)) }
  }

  /// Removes a temporary folder, unless it holds anything that is no part of a checkpoint.
  func discard(_ folder: String) throws {
    guard FileSystem.isFolder(folder) else { return }
    let names = FileSystem.names(in: folder)
    guard Set(names).isSubset(of: CheckpointManifest.allNames) else { return }
    for name in names { try disk.remove(folder + "/" + name) }
    try disk.remove(folder)
  }
}
