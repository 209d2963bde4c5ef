import Foundation
import Layers
import Synchronization
import System
import Tensors

/// Writes the checkpoints of a run asynchronously and keeps the last few and the best.
///
/// A training step waits only for a copy of the state in memory. A checkpoint is written atomically: its files are
/// synced (fsync), then one rename publishes it; a failure before that leaves the existing checkpoints unchanged. A directory has one
/// store: rank 0 creates it, before any rank looks for a checkpoint.
package final class CheckpointStore: Sendable {
  package let path: String
  /// How many are kept, besides the best.
  package let keep: Int

  private let folder: CheckpointFolder
  private let fileSystem: FileSystem
  private let timeline: Timeline?
  private let writer = SerialQueue("gscnn checkpoint")
  private let failure = Mutex<(any Error)?>(nil)
  /// Names that `latestValid` found corrupt: they do not count among those that are kept.
  private let corrupt = Mutex<Set<String>>([])

  /// Creates the directory if it is missing and removes what a killed run left unfinished.
  ///
  /// - Throws: `FileError` if the directory cannot be written.
  package init(
    folder path: String, keep: Int, in fileSystem: FileSystem = FileSystem(), timeline: Timeline? = nil
  ) throws {
    precondition(keep > 0)
    self.path = path
    self.keep = keep
    self.fileSystem = fileSystem
    self.timeline = timeline
    folder = try CheckpointFolder(path, in: fileSystem)
  }

  /// The newest valid checkpoint.
  ///
  /// - Parameter skipped: called for each corrupt checkpoint that is skipped; the error names it and says why.
  package func latestValid(skipped: (any Error) -> Void = { _ in }) -> Checkpoint? {
    Checkpoint.latestValid(in: path) { error in
      if let file = (error as? WeightsError)?.file ?? (error as? FileError)?.path {
        let name = [file, FileSystem.parent(of: file)].map(FileSystem.name).first {
          Checkpoint.step(ofFolder: $0) != nil
        }
        if let name { corrupt.withLock { _ = $0.insert(name) } }
      }
      skipped(error)
    }
  }

  /// Copies the state of a run and writes it in the background.
  ///
  /// Waits first until the previous checkpoint is written, so that no more than one copy is in memory.
  ///
  /// - Parameters:
  ///   - velocities: as long as `store.values`, with the same offsets.
  ///   - step: global steps done; names the directory, and replaces a checkpoint of the same step.
  ///   - state: what else the run needs to resume.
  ///   - best: whether this is the best so far, to be kept until there is a better one.
  /// - Throws: the error of the *previous* checkpoint; this one is written nevertheless.
  package func save(
    _ store: ParameterStore, velocities: FloatSlice, step: Int, state: some Encodable, best: Bool = false
  ) throws {
    let earlier = Result { try finish() }
    let snapshot = Snapshot(of: store, momentum: velocities)
    let state = try JSON.encode(state, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    writer.enqueue { [self] in
      do {
        let name = Checkpoint.folderName(step: step)
        try timeline.measure(name, on: .checkpoints) { try write(snapshot, state: state, name: name, best: best) }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    try earlier.get()
  }

  /// Waits until the last checkpoint is on the disk.
  ///
  /// - Throws: its error.
  package func finish() throws {
    writer.flush()
    let error = failure.withLock { failure in
      defer { failure = nil }
      return failure
    }
    if let error { throw error }
  }

  // MARK: - On the writer's thread

  private func write(_ snapshot: Snapshot, state: Data, name: String, best: Bool) throws {
    let temporary = folder.temporary(name)
    do {
      try folder.discard(temporary)
      try fileSystem.createDirectory(temporary)
      let model = try write(CheckpointManifest.modelName, in: temporary) {
        try SafetensorsWriter.write(snapshot.model(), metadata: ModelFile.formatMetadata, to: $0)
      }
      let momentum = try write(CheckpointManifest.momentumName, in: temporary) {
        try SafetensorsWriter.write(snapshot.momenta(), metadata: ModelFile.formatMetadata, to: $0)
      }
      let state = try write(CheckpointManifest.stateName, in: temporary) { try $0.write(state) }
      let generation = (CheckpointManifest.newestFirst(in: path).first?.manifest.generation ?? 0) + 1
      let manifest = CheckpointManifest(
        generation: generation, isBest: best, model: model, momentum: momentum, state: state)
      _ = try write(CheckpointManifest.name, in: temporary) { try $0.write(manifest.text.utf8) }
      try fileSystem.syncDirectory(temporary)
      try folder.publish(name)
    } catch {
      try? folder.discard(temporary)
      throw error
    }
    corrupt.withLock { _ = $0.remove(name) }
    try rotate()
  }

  private func write(
    _ name: String, in folder: String, _ body: (OutputFile) throws -> Void
  ) throws -> CheckpointManifest.File {
    let file = try OutputFile(folder + "/" + name, in: fileSystem)
    try body(file)
    let checksum = try file.close()
    return CheckpointManifest.File(name: name, count: file.count, checksum: checksum)
  }

  /// Removes the checkpoints that are neither among the last `keep` nor the best.
  private func rotate() throws {
    let corrupt = corrupt.withLock { $0 }
    let valid = CheckpointManifest.newestFirst(in: path).filter { !corrupt.contains($0.name) }
    let best = valid.first { $0.manifest.isBest }?.name
    for (name, _) in valid.dropFirst(keep) where name != best { try folder.remove(name) }
  }
}
