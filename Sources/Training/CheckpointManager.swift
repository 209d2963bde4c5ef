import Distributed
import Foundation
import Layers
import System
import Tensors
import Weights

/// What a run remembers on disk: rank 0 reads and writes, the other ranks hear from it.
final class CheckpointManager {
  /// Where a run begins.
  struct Start {
    let state: TrainingState
    /// The checkpoint or weight file that it goes on from, in words.
    let origin: String?
  }

  private let options: TrainingOptions
  private let files: RunPaths
  private let replica: Replica
  private let communicator: Communicator
  private let timeline: Timeline?
  private let warn: (String) -> Void
  /// On rank 0 only.
  private var store: CheckpointStore?

  init(
    _ options: TrainingOptions, _ files: RunPaths, _ replica: Replica, _ communicator: Communicator,
    timeline: Timeline?, warn: @escaping (String) -> Void
  ) {
    self.options = options
    self.files = files
    self.replica = replica
    self.communicator = communicator
    self.timeline = timeline
    self.warn = warn
  }

  /// Fills the replica of every rank from a checkpoint, a weight file or the seed.
  func begin() throws -> Start {
    var start = Start(state: TrainingState(options: options), origin: nil)
    if communicator.rank == 0 {
      let store = try CheckpointStore(folder: files.checkpoints, keep: options.keep, timeline: timeline)
      self.store = store
      start = try read(store) ?? startAnew(store)
    }
    return try share(start)
  }

  private func read(_ store: CheckpointStore) throws -> Start? {
    let skipped = { [warn] (error: any Error) in warn("passed over a checkpoint: \(error)") }
    let checkpoint: Checkpoint?
    switch options.resume {
    case nil: checkpoint = nil
    case .auto: checkpoint = try newest(in: store, skipped: skipped)
    case .path(let path): checkpoint = try Checkpoint.find(at: path, skipped: skipped)
    }
    guard let checkpoint else { return nil }
    var state = try checkpoint.state(as: TrainingState.self)
    try state.requireSameTraining(as: options)
    try checkpoint.restore(replica.model.store, velocities: replica.optimizer.velocities)
    state.options = options
    return Start(state: state, origin: checkpoint.folder)
  }

  /// - Returns: `nil` where the folder holds no checkpoint at all.
  /// - Throws: where it holds damaged ones alone: a run is not begun again over the results of another.
  private func newest(in store: CheckpointStore, skipped: (any Error) -> Void = { _ in }) throws -> Checkpoint? {
    var damaged = 0
    let checkpoint = store.latestValid { error in
      damaged += 1
      skipped(error)
    }
    guard checkpoint == nil, damaged > 0 else { return checkpoint }
    throw TrainingError(
      "\(files.checkpoints): holds checkpoints, but none that is whole; give another --save-path, or remove the folder")
  }

  private func startAnew(_ store: CheckpointStore) throws -> Start {
    if options.resume == nil, let earlier = try newest(in: store) {
      throw OptionError(
        "--save-path", files.folder,
        "holds an earlier run (\(earlier.folder)); go on with --resume auto, or give another folder")
    }
    let state = TrainingState(options: options)
    guard let path = options.pretrained else { return Start(state: state, origin: nil) }
    let report = try ModelFile.load(path, into: replica.model.store, strict: false)
    return Start(state: state, origin: "\(path), \(report)")
  }

  /// Gives every rank what rank 0 has.
  private func share(_ start: Start) throws -> Start {
    guard communicator.size > 1 else { return start }
    let parameters = replica.model.store
    for floats in [parameters.values, parameters.running, replica.optimizer.velocities] {
      communicator.broadcast(floats.start, count: floats.count)
    }
    for case .counter(let counter) in parameters.entries {
      withUnsafeMutableBytes(of: &counter.value) { communicator.broadcast($0) }
    }
    var state = try TrainingState(encoded: communicator.broadcast(communicator.rank == 0 ? start.state.encoded() : []))
    // Every rank adds to its own sums; what was summed before stays with rank 0.
    if communicator.rank != 0 {
      state.running.confusion = .init()
      state.running.loading = .init()
    }
    return Start(state: state, origin: start.origin)
  }

  /// Writes a checkpoint beside what follows.
  ///
  /// - Parameter isBest: whether its model is the best so far.
  func save(_ state: TrainingState, isBest: Bool = false) throws {
    try store?.save(
      replica.model.store, velocities: replica.optimizer.velocities, step: state.totalSteps, state: state, best: isBest)
  }

  /// Makes the model as it is now the run's result.
  func saveBestModel(_ state: TrainingState) throws {
    guard communicator.rank == 0 else { return }
    var remarks = ["backbone": options.backbone.rawValue, "epoch": "\(state.position.epoch + 1)"]
    if let best = state.bestMeanIoU { remarks["validation_class_mIoU"] = "\(best)" }
    try ModelFile.write(replica.model.store, to: files.model, metadata: remarks)
  }

  /// Waits until everything is on the disk.
  func finish() throws { try store?.finish() }
}
