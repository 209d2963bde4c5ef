import Dispatch
import Foundation
import Layers
import Synchronization
import Tensors

/// Writes the checkpoints of a run beside its training and keeps the last few and the best.
///
/// A step waits only until the state is copied in memory. A checkpoint counts from the moment of one rename, after all
/// its bytes are on the disk; whatever fails before that leaves those that are there as they were. One store writes a
/// folder: rank 0 makes it, before any rank looks for a checkpoint.
package final class CheckpointStore: Sendable {
  package let path: String
  /// How many are kept, besides the best.
  package let keep: Int

  private let folder: CheckpointFolder
  private let disk: FileSystem
  private let timeline: Timeline?
  private let queue = DispatchQueue(label: "checkpoint writer", qos: .utility)
  private let failure = Mutex<(any Error)?>(nil)
  /// Names that `latestValid` found damaged: they do not count among those that are kept.
  private let damaged = Mutex<Set<String>>([])

  /// Makes the folder where it is missing and clears away what a killed run left unfinished.
  ///
  /// - Throws: `WeightsError` where the folder cannot be written.
  package init(folder path: String, keep: Int, on disk: FileSystem = FileSystem(), timeline: Timeline? = nil) throws {
    precondition(keep > 0)
    self.path = path
    self.keep = keep
    self.disk = disk
    self.timeline = timeline
    folder = try CheckpointFolder(path, on: disk)
  }

  /// The checkpoint that was written last and is whole.
  ///
  /// - Parameter skipped: told of each damaged checkpoint that was passed over; the error names it and says why.
  package func latestValid(skipped: (any Error) -> Void = { _ in }) -> Checkpoint? {
    Checkpoint.latestValid(in: path) { error in
      if let error = error as? WeightsError {
        let name = [error.file, FileSystem.parent(of: error.file)].map(FileSystem.name).first {
          Checkpoint.step(ofFolder: $0) != nil
        }
        if let name { damaged.withLock { _ = $0.insert(name) } }
      }
      skipped(error)
    }
  }

  /// Copies the state of a run and writes it beside what follows.
  ///
  /// Where the checkpoint before is still being written, this waits for it first: two copies are never held.
  ///
  /// - Parameters:
  ///   - velocities: as long as `store.values`, with the same offsets.
  ///   - step: global steps done; names the folder, and replaces a checkpoint of the same step.
  ///   - state: what the run needs besides to go on.
  ///   - best: whether this is the best so far, to be kept until a better one is.
  /// - Throws: what went wrong with the checkpoint *before*; this one is being written nevertheless.
  package func save(
    _ store: ParameterStore, velocities: FloatSlice, step: Int, state: some Encodable, best: Bool = false
  ) throws {
    let earlier = Result { try finish() }
    let snapshot = Snapshot(of: store, momentum: velocities)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let state = try encoder.encode(state)
    queue.async { [self] in
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
  /// - Throws: what went wrong with it.
  package func finish() throws {
    queue.sync {}
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
      try disk.makeFolder(temporary)
      let files = try [
        file("model.safetensors", in: temporary) {
          try SafetensorsWriter.write(snapshot.model(), metadata: ModelFile.origin, to: $0)
        },
        file("momentum.safetensors", in: temporary) {
          try SafetensorsWriter.write(snapshot.momenta(), metadata: ModelFile.origin, to: $0)
        },
        file("state.json", in: temporary) { try $0.write(state) },
      ]
      let generation = (folder.manifests().first?.manifest.generation ?? 0) + 1
      let manifest = CheckpointManifest(generation: generation, isBest: best, files: files)
      _ = try file(CheckpointManifest.name, in: temporary) { try $0.write(manifest.text.utf8) }
      try disk.syncFolder(temporary)
      try folder.publish(name)
    } catch {
      try? folder.discard(temporary)
      throw error
    }
    damaged.withLock { _ = $0.remove(name) }
    try rotate()
  }

  private func file(
    _ name: String, in folder: String, _ body: (OutputFile) throws -> Void
  ) throws -> CheckpointManifest.File {
    let file = try OutputFile(folder + "/" + name, on: disk)
    try body(file)
    let checksum = try file.finish()
    return CheckpointManifest.File(name: name, count: file.count, checksum: checksum)
  }

  /// Removes what is neither among the last nor the best.
  private func rotate() throws {
    let damaged = damaged.withLock { $0 }
    let all = folder.manifests().filter { !damaged.contains($0.name) }
    let best = all.first { $0.manifest.isBest }?.name
    for (name, _) in all.dropFirst(keep) where name != best { try folder.remove(name) }
  }
}
