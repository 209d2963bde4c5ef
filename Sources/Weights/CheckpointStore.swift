import Foundation
import Layers
import Synchronization
import System
import Tensors

/// Writes the checkpoints of a run asynchronously and keeps the last few and the best.
///
/// A training step waits only for a copy of the state in memory. A checkpoint is written atomically: its files are
/// synced (fsync), then one rename publishes it; a failure before that leaves the existing checkpoints unchanged. A
/// failed write stops nothing: the next checkpoint is another attempt. A directory has one store: rank 0 creates it, before
/// any rank looks for a checkpoint.
package final class CheckpointStore: Sendable {
  package let path: String
  /// How many are kept, besides the best.
  package let keep: Int

  private let folder: CheckpointFolder
  private let fileSystem: FileSystem
  private let timeline: Timeline?
  private let warn: @Sendable (String) -> Void
  private let writer = SerialQueue("gscnn checkpoint")
  private let failure = Mutex<Failure?>(nil)
  /// Names that `latestValid` found corrupt: they do not count among those that are kept.
  private let corrupt = Mutex<Set<String>>([])

  /// Creates the directory if it is missing and removes what a killed run left unfinished.
  ///
  /// - Parameter warn: receives a line for each checkpoint that cannot be removed; called on the writer's thread.
  /// - Throws: `FileError` if the directory cannot be created.
  package init(
    folder path: String, keep: Int, in fileSystem: FileSystem = FileSystem(), timeline: Timeline? = nil,
    warn: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    precondition(keep > 0)
    self.path = path
    self.keep = keep
    self.fileSystem = fileSystem
    self.timeline = timeline
    self.warn = warn
    let obstacles = Reported()
    folder = try CheckpointFolder(path, in: fileSystem) { path, error in
      guard obstacles.isNew(path) else { return }
      warn("\(path): cannot be removed (\(error.posixMessage)); it is tried again after each checkpoint")
    }
  }

  /// What is reported once.
  private final class Reported: Sendable {
    private let names = Mutex<Set<String>>([])
    func isNew(_ name: String) -> Bool { names.withLock { $0.insert(name).inserted } }
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

  /// The newest complete checkpoint of a step that is `wanted`. Its files are not read.
  package func newest(_ wanted: (_ step: Int) -> Bool) -> String? {
    let corrupt = corrupt.withLock { $0 }
    return CheckpointManifest.newestFirst(in: path).map(\.name).first {
      !corrupt.contains($0) && Checkpoint.step(ofFolder: $0).map(wanted) == true
    }.map { "\(path)/\($0)" }
  }

  /// Copies the state of a run and writes it in the background.
  ///
  /// Waits first until the previous checkpoint is written, so that no more than one copy is in memory.
  ///
  /// - Parameters:
  ///   - velocities: as long as `store.values`, with the same offsets.
  ///   - average: the average of the weights, if there is one.
  ///   - step: global steps done; names the directory, and replaces a checkpoint of the same step.
  ///   - state: what else the run needs to resume.
  ///   - best: whether this is the best so far, to be kept until there is a better one.
  ///   - metadata: additional metadata of the model's file.
  ///   - workers: threads that copy.
  /// - Throws: the error of encoding the state. One of writing is left for `takeFailure` or `finish`.
  package func save(
    _ store: ParameterStore, velocities: FloatSlice, average: ParameterStore? = nil, step: Int, state: some Encodable,
    best: Bool = false, metadata: [String: String] = [:], on workers: WorkerPool? = nil
  ) throws {
    wait()
    let snapshot = Snapshot(of: store, momentum: velocities, on: workers)
    let average = average.map { Snapshot(of: $0, on: workers) }
    let state = try JSON.encode(state, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    writer.enqueue { [self] in
      let name = Checkpoint.folderName(step: step)
      do {
        try timeline.measure(name, on: .checkpoints) {
          try write(snapshot, average, metadata: metadata, state: state, name: name, best: best)
        }
        succeeded()
      } catch {
        failed(error)
      }
    }
  }

  /// Waits until the last checkpoint is written, or cannot be.
  package func wait() { writer.flush() }

  /// Waits until the last checkpoint is on the disk.
  ///
  /// - Throws: its error, unless `takeFailure` has returned it.
  package func finish() throws {
    wait()
    if let failure = takeFailure() { throw failure.error }
  }

  /// Checkpoints that could not be written.
  package struct Failure: Sendable {
    /// Of the last one.
    package fileprivate(set) var error: any Error
    /// How many, without a good one in between.
    package fileprivate(set) var inARow: Int
    fileprivate var isTaken = false
  }

  /// The failure of the last checkpoint, once.
  package func takeFailure() -> Failure? {
    failure.withLock { failure in
      guard let taken = failure, !taken.isTaken else { return nil }
      failure?.isTaken = true
      return taken
    }
  }

  /// The newest checkpoint whose manifest is valid.
  package var newest: String? { CheckpointManifest.newestFirst(in: path).first.map { path + "/" + $0.name } }

  /// The model file of the best checkpoint.
  package var bestModel: String? {
    CheckpointManifest.newestFirst(in: path).first { $0.manifest.isBest }
      .map { "\(path)/\($0.name)/\(CheckpointManifest.modelName)" }
  }

  // MARK: - Room

  /// How many checkpoints fit into the directory, those that are there included, and how many the run keeps at the same
  /// time: the last `keep`, the best, and the one that is being written.
  package struct Room: Equatable, Sendable {
    package let fitting: Int
    package let needed: Int
    /// Bytes that are free now.
    package let free: Int
    /// Bytes of a checkpoint.
    package let each: Int
    /// Whether not even one more can be written, and no old one can make room.
    package let isNone: Bool
  }

  /// Looks whether the checkpoints of a network fit on the disk; nil if that is not known. Quotas may allow less.
  ///
  /// - Parameter hasAverage: whether an average of the weights is saved too.
  package func room(for store: ParameterStore, hasAverage: Bool = false) -> Room? {
    guard let free = FileSystem.freeBytes(in: path) else { return nil }
    let each = Snapshot.bytes(of: store) + (hasAverage ? Snapshot(sharing: store).bytes : 0)
    let present = CheckpointManifest.newestFirst(in: path).count
    return Room(
      fitting: present + free / each, needed: keep + 2, free: free, each: each,
      isNone: free < each && removable().isEmpty)
  }

  // MARK: - On the writer's thread

  private func succeeded() {
    let before = failure.withLock { failure in
      defer { failure = nil }
      return failure
    }
    if before != nil { warn("\(path): checkpoints are written again") }
  }

  private func failed(_ error: any Error) {
    failure.withLock { $0 = Failure(error: error, inARow: ($0?.inARow ?? 0) + 1) }
  }

  /// Writes a checkpoint; on a full disk or quota, older ones make room for it.
  private func write(
    _ snapshot: Snapshot, _ average: Snapshot?, metadata: [String: String], state: Data, name: String, best: Bool
  ) throws {
    var removable = removable()
    while let oldest = removable.first, let free = FileSystem.freeBytes(in: path),
      free < snapshot.bytes + (average?.bytes ?? 0)
    {
      folder.remove(oldest)
      removable.removeFirst()
    }
    while true {
      do {
        try writeOnce(snapshot, average, metadata: metadata, state: state, name: name, best: best)
        break
      } catch let error as FileError where error.isOutOfSpace && !removable.isEmpty {
        folder.remove(removable.removeFirst())
      }
    }
    corrupt.withLock { _ = $0.remove(name) }
    rotate()
  }

  private func writeOnce(
    _ snapshot: Snapshot, _ average: Snapshot?, metadata: [String: String], state: Data, name: String, best: Bool
  ) throws {
    let wasThere = FileSystem.isDirectory(path, followingLinks: true)
    let temporary = try folder.createTemporary(name)
    if !wasThere {
      warn("\(path): was moved or removed during the run; it is made anew, without the earlier checkpoints")
    }
    do {
      let model = try write(CheckpointManifest.modelName, in: temporary) {
        try SafetensorsWriter.write(
          snapshot.model(), metadata: metadata.merging(ModelFile.formatMetadata) { $1 }, to: $0)
      }
      let momentum = try write(CheckpointManifest.momentumName, in: temporary) {
        try SafetensorsWriter.write(snapshot.momenta(), metadata: ModelFile.formatMetadata, to: $0)
      }
      let state = try write(CheckpointManifest.stateName, in: temporary) { try $0.write(state) }
      let average = try average.map { average in
        try write(CheckpointManifest.averageName, in: temporary) {
          try SafetensorsWriter.write(
            average.model(), metadata: metadata.merging(ModelFile.formatMetadata) { $1 }, to: $0)
        }
      }
      let generation = (CheckpointManifest.newestFirst(in: path).first?.manifest.generation ?? 0) + 1
      let manifest = CheckpointManifest(
        generation: generation, isBest: best, model: model, momentum: momentum, state: state,
        average: average)
      _ = try write(CheckpointManifest.name, in: temporary) { try $0.write(manifest.text.utf8) }
      try fileSystem.syncDirectory(temporary)
      try folder.publish(temporary, as: name)
    } catch {
      folder.discard(temporary)
      throw error
    }
  }

  private func write(
    _ name: String, in folder: String, _ body: (OutputFile) throws -> Void
  ) throws -> CheckpointManifest.File {
    let file = try OutputFile(folder + "/" + name, in: fileSystem)
    try body(file)
    let checksum = try file.close()
    return CheckpointManifest.File(name: name, count: file.count, checksum: checksum)
  }

  /// Removes the checkpoints that are neither among the last `keep` nor the best, and what could not be removed before.
  private func rotate() {
    folder.cleanUp()
    for name in removable(keeping: keep) { folder.remove(name) }
  }

  /// The valid checkpoints that are neither among the last few nor the best, oldest first. The last one is never
  /// removed.
  private func removable(keeping last: Int = 1) -> [String] {
    let corrupt = corrupt.withLock { $0 }
    let valid = CheckpointManifest.newestFirst(in: path).filter { !corrupt.contains($0.name) }
    let best = valid.first { $0.manifest.isBest }?.name
    return valid.dropFirst(last).map(\.name).filter { $0 != best }.reversed()
  }
}
