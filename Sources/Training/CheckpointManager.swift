import Distributed
import Foundation
import GatedSCNN
import Layers
import System
import Tensors
import Weights

/// Saves and restores a run's checkpoints and its best model. Rank 0 reads and writes; the others receive by broadcast.
final class CheckpointManager {
  /// The state in which a run starts.
  struct StartingPoint {
    let state: TrainingState
    /// Describes the checkpoint or weight file that it comes from.
    let origin: String?
  }

  /// In the metadata of the best model.
  static let meanIoUKey = "validation_class_mIoU"

  private let options: TrainingOptions
  private let paths: RunPaths
  private let replica: Replica
  private let communicator: Communicator
  private let timeline: Timeline?
  private let warn: (String) -> Void
  /// On rank 0; nil on the others.
  private var store: CheckpointStore?

  init(
    _ options: TrainingOptions, _ paths: RunPaths, _ replica: Replica, _ communicator: Communicator,
    timeline: Timeline?, warn: @escaping (String) -> Void
  ) {
    self.options = options
    self.paths = paths
    self.replica = replica
    self.communicator = communicator
    self.timeline = timeline
    self.warn = warn
  }

  /// Restores every rank's replica from a checkpoint or a weight file, if the options ask for one. Collective.
  func restore() throws -> StartingPoint {
    var start = StartingPoint(state: TrainingState(options: options), origin: nil)
    if communicator.rank == 0 {
      let store = try CheckpointStore(folder: paths.checkpoints, keep: options.keep, timeline: timeline)
      self.store = store
      start = try loadCheckpoint(from: store) ?? startNewRun(in: store)
    }
    return try broadcast(start)
  }

  /// - Returns: `nil` if the options ask for no checkpoint, or there is none.
  private func loadCheckpoint(from store: CheckpointStore) throws -> StartingPoint? {
    let skipped = { [warn] (error: any Error) in warn("skipped a checkpoint: \(error)") }
    let checkpoint: Checkpoint?
    switch options.resume {
    case nil: checkpoint = nil
    case .auto: checkpoint = try latest(in: store, skipped: skipped)
    case .path(let path): checkpoint = try Checkpoint.find(at: path, skipped: skipped)
    }
    guard let checkpoint else { return nil }
    var state = try checkpoint.state(as: TrainingState.self)
    try state.requireSameTraining(as: options)
    try checkpoint.restore(replica.model.store, velocities: replica.optimizer.velocities)
    state.options = options
    try RunContinuation(of: checkpoint.folder, in: paths)?.copyResults(state)
    requireBestModel(&state)
    return StartingPoint(state: state, origin: checkpoint.folder)
  }

  /// Without the file of the best model there is no best model: the next validated epoch writes one.
  private func requireBestModel(_ state: inout TrainingState) {
    guard let best = state.bestMeanIoU, !FileManager.default.fileExists(atPath: paths.model) else { return }
    let figure = String(format: "%.2f %%", best * 100)
    warn(
      "\(paths.model): the best model, of class mIoU \(figure), is missing; the next validation writes a new one")
    state.bestMeanIoU = nil
  }

  /// The latest valid checkpoint, from which `--resume auto` continues.
  ///
  /// - Returns: `nil` if the folder holds no checkpoint at all.
  /// - Throws: `TrainingError` if all of its checkpoints are corrupt: a new run must not overwrite the results.
  private func latest(in store: CheckpointStore, skipped: (any Error) -> Void = { _ in }) throws -> Checkpoint? {
    var corrupt = 0
    let checkpoint = store.latestValid { error in
      corrupt += 1
      skipped(error)
    }
    guard checkpoint == nil, corrupt > 0 else { return checkpoint }
    throw TrainingError(
      "\(paths.checkpoints): holds checkpoints, but none is valid; give another --save-path, or remove the folder")
  }

  private func startNewRun(in store: CheckpointStore) throws -> StartingPoint {
    if options.resume == nil, let earlier = try latest(in: store) {
      throw OptionError(
        "--save-path", paths.folder,
        "holds an earlier run (\(earlier.folder)); resume it with --resume auto, or give another folder")
    }
    let state = TrainingState(options: options)
    guard let path = options.pretrained else { return StartingPoint(state: state, origin: nil) }
    let report = try ModelFile.load(path, into: replica.model.store, strict: false)
    return StartingPoint(state: state, origin: "\(path), \(report)")
  }

  /// Broadcasts the replica and the state of rank 0. Collective.
  private func broadcast(_ start: StartingPoint) throws -> StartingPoint {
    guard communicator.size > 1 else { return start }
    let parameters = replica.model.store
    for floats in [parameters.values, parameters.running, replica.optimizer.velocities] {
      communicator.broadcast(floats.start, count: floats.count)
    }
    for case .counter(let counter) in parameters.entries {
      withUnsafeMutableBytes(of: &counter.value) { communicator.broadcast($0) }
    }
    var state = try TrainingState(encoded: communicator.broadcast(communicator.rank == 0 ? start.state.encoded() : []))
    // Each rank adds to its own sums; rank 0 keeps the sums of the checkpoint.
    if communicator.rank != 0 {
      state.running.confusion = .init()
      state.running.loading = .init()
    }
    return StartingPoint(state: state, origin: start.origin)
  }

  /// Copies a checkpoint and writes it in the background.
  ///
  /// - Parameter isBest: whether its model is the best so far.
  func save(_ state: TrainingState, isBest: Bool = false) throws {
    try store?.save(
      replica.model.store, velocities: replica.optimizer.velocities, step: state.totalSteps, state: state, best: isBest)
  }

  /// Writes the current model as the run's best model.
  func saveBestModel(_ state: TrainingState) throws {
    guard communicator.rank == 0 else { return }
    var metadata = ["backbone": options.backbone.rawValue, "epoch": "\(state.position.epoch + 1)"]
    if let best = state.bestMeanIoU { metadata[Self.meanIoUKey] = "\(best)" }
    try ModelFile.write(replica.model.store, to: paths.model, metadata: metadata)
  }

  /// The run's best model, on every rank. Collective.
  func loadBestModel() throws -> GatedSCNN {
    let model = GatedSCNN(options.backbone, seed: options.seed)
    if communicator.rank == 0 { try ModelFile.load(paths.model, into: model.store) }
    for floats in [model.store.values, model.store.running] {
      communicator.broadcast(floats.start, count: floats.count)
    }
    return model
  }

  /// Waits until all saved checkpoints are on disk.
  func flush() throws { try store?.finish() }
}
