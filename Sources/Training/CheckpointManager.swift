import Distributed
import Foundation
import GatedSCNN
import Inference
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

  /// In the metadata of the best model: its figure, and under which name (`BestFigure`).
  static let scoreKey = "validation_score"
  static let figureKey = "save_best"
  /// That of all models, and the figure of models of an earlier version.
  static let meanIoUKey = "validation_class_mIoU"

  private let options: TrainingOptions
  private let paths: RunPaths
  private let replica: Replica
  private let average: AverageModel?
  private let communicator: Communicator
  private let timeline: Timeline?
  private let warn: @Sendable (String) -> Void
  /// On rank 0; nil on the others.
  private let lock: RunLock?
  /// On rank 0; nil on the others.
  private var store: CheckpointStore?
  /// When the last checkpoint was begun, or the run.
  private var lastSave = Clock.now

  /// Of a training that is left behind.
  private var abandoned: [BestFile] = []
  /// The metadata of a best model that could not be written.
  private var unwrittenModel: [String: String]?

  /// A run ends after so many checkpoints in a row could not be written.
  private static let toleratedFailures = 3

  init(
    _ options: TrainingOptions, _ paths: RunPaths, _ replica: Replica, _ average: AverageModel?,
    _ communicator: Communicator, lock: RunLock?, timeline: Timeline?, warn: @escaping @Sendable (String) -> Void
  ) {
    self.options = options
    self.paths = paths
    self.replica = replica
    self.average = average
    self.communicator = communicator
    self.lock = lock
    self.timeline = timeline
    self.warn = warn
  }

  /// Restores every rank's replica from a checkpoint or a weight file, if the options ask for one. Collective.
  func restore() throws -> StartingPoint {
    // Until then the weights are zeros, on the other ranks until they are broadcast.
    var start = StartingPoint(state: TrainingState(options: options), origin: nil)
    if communicator.rank == 0 {
      let store = try CheckpointStore(folder: paths.checkpoints, keep: options.keep, timeline: timeline, warn: warn)
      self.store = store
      // A checkpoint that is being written outlives an error.
      CleanupHandlers.add { try? store.finish() }
      start = try loadCheckpoint(from: store) ?? startNewRun(in: store)
      try requireRoom(in: store)
    }
    lastSave = Clock.now
    return try broadcast(start)
  }

  /// Refuses to resume with other classes before all maps are made anew for them. `restore` reports what cannot be read.
  static func requireSameClasses(_ options: TrainingOptions, _ paths: RunPaths) throws {
    guard options.labels != nil, let resume = options.resume else { return }
    let place = if case .path(let path) = resume { path } else { paths.checkpoints }
    guard let checkpoint = try? Checkpoint.find(at: place), let state = try? TrainingState(of: checkpoint) else {
      return
    }
    try state.requireSameClasses(as: options)
  }

  /// The checkpoint that a run with these options would continue from; `nil` if it would start anew. Changes nothing.
  ///
  /// - Throws: `OptionError` or `TrainingError` if it would not start in its folder.
  static func start(_ options: TrainingOptions) throws -> String? {
    let folder = RunPaths(options).checkpoints
    var corrupt = 0
    let checkpoint = Checkpoint.latestValid(in: folder) { _ in corrupt += 1 }
    if checkpoint == nil, corrupt > 0 { throw noneIsValid(in: folder) }
    guard let checkpoint else { return nil }
    guard options.resume != nil else { throw holdsRun(checkpoint, options) }
    try TrainingState(of: checkpoint).requireSameTraining(as: options)
    return checkpoint.folder
  }

  private static func noneIsValid(in folder: String) -> TrainingError {
    TrainingError("\(folder): holds checkpoints, but none is valid; give another --save-path, or remove the folder")
  }

  private static func holdsRun(_ checkpoint: Checkpoint, _ options: TrainingOptions) -> OptionError {
    OptionError(
      "--save-path", RunPaths(options).folder,
      "holds an earlier run (\(checkpoint.folder)); resume it with --resume auto, or give another folder")
  }

  /// - Returns: `nil` if the options ask for no checkpoint, or there is none.
  private func loadCheckpoint(from store: CheckpointStore) throws -> StartingPoint? {
    let skipped = { [warn] (error: any Error) in warn("skipped a checkpoint: \(error)") }
    let checkpoint: Checkpoint?
    switch options.resume {
    case nil: checkpoint = nil
    case .auto:
      checkpoint = try latest(in: store, skipped: skipped)
      if checkpoint == nil { warn("--resume auto: no checkpoint in \(paths.checkpoints), starting anew" + otherRuns()) }
    case .path(let path): checkpoint = try Checkpoint.find(at: path, skipped: skipped)
    }
    guard let checkpoint else { return nil }
    var state = try TrainingState(of: checkpoint)
    let changes = try state.requireSameTraining(as: options)
    try identify(&state, of: checkpoint, in: store)
    try checkpoint.restore(replica.model.store, velocities: replica.optimizer.velocities)
    try RunContinuation(of: checkpoint.folder, in: paths)?.copyResults(state)
    abandoned = bestFiles.filter { leavesBehind($0, state) }
    if let average, checkpoint.hasAverage {
      try checkpoint.restoreAverage(average.model.store)
    } else {
      (state.averageUpdates, state.bestAverageScore) = (nil, nil)
    }
    state.options = options
    [state.warning(resumedWith: replica.workers.instructionSet), state.warning(resumedOn: communicator.size)]
      .compactMap(\.self).forEach(warn)
    for file in abandoned { state[keyPath: file.score] = nil }
    for file in bestFiles { requireBest(file, &state) }
    return StartingPoint(state: state, origin: ([checkpoint.folder] + changes).joined(separator: ", "))
  }

  /// A file with the best weights of a run.
  private struct BestFile {
    let name: String
    let path: String
    /// Its figure.
    let score: WritableKeyPath<TrainingState, Double?>
  }

  private var bestFiles: [BestFile] {
    [
      BestFile(name: "model", path: paths.model, score: \.bestScore),
      BestFile(name: "average of the weights", path: paths.averageModel, score: \.bestAverageScore),
    ]
  }

  /// Whether a file on the disk belongs to the training after the checkpoint, which is left behind: its figure must not be
  /// compared with those to come, nor the test split be predicted with it.
  private func leavesBehind(_ file: BestFile, _ state: TrainingState) -> Bool {
    guard case .path = options.resume, let best = RunPaths.score(of: file.path) else { return false }
    return best != state[keyPath: file.score]
  }

  /// Renames the files that are left behind. Until a checkpoint of the new training is on the disk the other one can still
  /// be resumed, with its model.
  func setAbandonedModelAside() {
    for file in abandoned {
      let aside = RunPaths.abandoned(file.path)
      do {
        try FileSystem().rename(file.path, to: aside)
        warn(
          "\(file.path): belongs to the training after this checkpoint, which is left behind; it is now \(aside), and the next "
            + "validation starts a new best one")
      } catch {
        warn("\(error); this file belongs to the training after this checkpoint, which is left behind: move it away")
      }
    }
    abandoned = []
  }

  /// Without its file there is no best one: the next validation writes one.
  private func requireBest(_ file: BestFile, _ state: inout TrainingState) {
    guard let best = state[keyPath: file.score], !FileManager.default.fileExists(atPath: file.path) else { return }
    warn(
      "\(file.path): the best \(file.name) (\(options.bestFigure.text(best))) is missing; "
        + (state.isAtEnd ? "all epochs are done: restore the file" : "the next validation writes a new one"))
    state[keyPath: file.score] = nil
  }

  /// Gives the run its identity: that of the folder, or a new one if the folder is empty.
  ///
  /// - Throws: `OptionError` if the folder holds the checkpoints of another run, which this one would remove.
  private func identify(_ state: inout TrainingState, of checkpoint: Checkpoint, in store: CheckpointStore) throws {
    guard case .path(let path) = options.resume,
      !FileSystem.isSame(FileSystem.parent(of: checkpoint.folder), store.path)
    else {
      // Written by an earlier version.
      if state.run == nil { state.run = RunIdentity() }
      return
    }
    guard let present = try latest(in: store) else {
      state.run = RunIdentity(parent: state.run?.id)
      return
    }
    guard let id = state.run?.id, try TrainingState(of: present).run?.id == id else {
      throw OptionError(
        "--resume", path,
        "is another run than that in \(paths.checkpoints); give another --save-path, or --resume auto to continue the "
          + "run that is there")
    }
  }

  /// The other runs in the results folder, or in the folders beside it, as a part of a sentence.
  private func otherRuns() -> String {
    let beside = Checkpoint.runs(in: paths.folder)
    let parent = FileSystem.parent(of: paths.folder)
    let runs =
      beside.isEmpty
      ? FileSystem.names(in: parent).prefix(100).flatMap { Checkpoint.runs(in: parent + "/" + $0) } : beside
    guard !runs.isEmpty else { return "" }
    let names = runs.prefix(5).map { "\($0.folder) (step \($0.step))" }.joined(separator: ", ")
    return "; there are other runs: \(names)" + (runs.count > 5 ? " and \(runs.count - 5) more" : "")
  }

  /// Warns if the disk has no room for all checkpoints that the run keeps.
  ///
  /// - Throws: `TrainingError` if it has none even for the first.
  private func requireRoom(in store: CheckpointStore) throws {
    guard let room = store.room(for: replica.model.store, hasAverage: average != nil), room.fitting < room.needed else {
      return
    }
    func gigabytes(_ bytes: Int) -> String { String(format: "%.2f GB", Double(bytes) * 1e-9) }
    let sizes = "\(gigabytes(room.free)) free, each \(gigabytes(room.each))"
    guard !room.isNone else {
      throw TrainingError(
        "--save-path \(paths.folder): no room for a checkpoint (\(sizes)); make room there, or give another folder")
    }
    warn(
      "--save-path \(paths.folder): room for \(room.fitting) of \(room.needed) checkpoints (\(sizes)); make room there"
        + (options.keep > 1 ? ", or lower --keep" : ""))
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
    throw Self.noneIsValid(in: paths.checkpoints)
  }

  private func startNewRun(in store: CheckpointStore) throws -> StartingPoint {
    if options.resume == nil, let earlier = try latest(in: store) {
      throw Self.holdsRun(earlier, options)
    }
    var state = TrainingState(options: options)
    state.run = RunIdentity()
    replica.model.store.initialize(seed: options.seed)
    guard let path = options.pretrained else { return StartingPoint(state: state, origin: nil) }
    let file = try StateDict(contentsOf: path)
    if let given = try file.normalization, given != options.imageNormalization {
      throw OptionError(
        "--normalize", options.imageNormalization.rawValue,
        "\(path) was trained with \(given.rawValue); give --normalize \(given.rawValue)")
    }
    let report = try ModelFile.load(file, into: replica.model.store, strict: false)
    return StartingPoint(state: state, origin: "\(path), \(report)")
  }

  /// Broadcasts the replica and the state of rank 0. Collective.
  private func broadcast(_ start: StartingPoint) throws -> StartingPoint {
    guard communicator.size > 1 else { return start }
    let parameters = replica.model.store
    let averages = average.map { [$0.model.store.values, $0.model.store.running] } ?? []
    for floats in [parameters.values, parameters.running, replica.optimizer.velocities] + averages {
      communicator.broadcast(floats.start, count: floats.count)
    }
    for case .counter(let counter) in parameters.entries {
      withUnsafeMutableBytes(of: &counter.value) { communicator.broadcast($0) }
    }
    var state = try TrainingState(encoded: communicator.broadcast(communicator.rank == 0 ? start.state.encoded() : []))
    // Each rank adds to its own sums; rank 0 keeps the sums of the checkpoint.
    if communicator.rank != 0 {
      state.running.confusion = .init(classes: options.table.classes.count)
      state.running.loading = .init()
    }
    return StartingPoint(state: state, origin: start.origin)
  }

  /// Whether `--checkpoint-minutes` have passed since the last checkpoint; false on the ranks that write none.
  ///
  /// - Throws: `TrainingError` if several checkpoints in a row could not be written.
  func isDue() throws -> Bool {
    guard store != nil else { return false }
    try reportFailure()
    return options.checkpointMinutes.map { Clock.now - lastSave >= $0 * 60 } ?? false
  }

  /// Copies a checkpoint and writes it in the background, after the previous one.
  ///
  /// - Parameter isBest: whether its model is the best so far.
  func save(_ state: TrainingState, isBest: Bool = false) throws {
    guard let store else { return }
    store.wait()
    try reportFailure()
    lastSave = Clock.now
    try store.save(
      replica.model.store, velocities: replica.optimizer.velocities,
      average: average.flatMap { $0.updates > 0 ? $0.model.store : nil }, step: state.totalSteps, state: state,
      best: isBest, metadata: modelMetadata, on: replica.workers)
  }

  /// What every file of the model says about it.
  private var modelMetadata: [String: String] {
    var metadata = ModelFile.metadata(options.imageNormalization).merging(options.table.metadata) { $1 }
    if options.computePrecision != .float32 { metadata["training_precision"] = options.computePrecision.rawValue }
    return metadata
  }

  /// A network like the replica's, whose weights are to be loaded.
  private var newModel: GatedSCNN {
    GatedSCNN(
      options.backbone, classes: options.table.classes.count, seed: nil,
      normalization: options.imageNormalization, precision: options.computePrecision)
  }

  /// Warns if the last checkpoint could not be written; ends the run if it was one of several.
  private func reportFailure() throws {
    guard let store, let failure = store.takeFailure() else { return }
    let newest = "the last good one is \(store.newest ?? "none")"
    guard failure.inARow < Self.toleratedFailures else {
      throw TrainingError(
        "\(failure.error), then resume with --resume auto; \(failure.inARow) checkpoints in a row could not be written, "
          + newest)
    }
    warn(
      "\(failure.error); training goes on and tries again at the next checkpoint (failure \(failure.inARow) of "
        + "\(Self.toleratedFailures)); \(newest)")
  }

  /// Writes the current model as the run's best model. If that fails, `flush` takes it from its checkpoint.
  func saveBestModel(_ state: TrainingState, _ report: EpochReport) {
    guard communicator.rank == 0 else { return }
    let metadata = metadata(of: report.validation, score: state.bestScore, report)
    do {
      try ModelFile.write(replica.model.store, to: paths.model, metadata: metadata)
      unwrittenModel = nil
    } catch {
      unwrittenModel = metadata
      warn("\(error); training goes on, and the best model is written at the end, from its checkpoint")
    }
  }

  /// Writes the average of the weights as the best one.
  ///
  /// - Parameter score: its figure.
  /// - Returns: whether it is written; if not, the next better one is another attempt.
  func saveBestAverage(_ average: AverageModel, score: Double?, _ report: EpochReport) -> Bool {
    guard communicator.rank == 0 else { return true }
    do {
      try ModelFile.write(
        average.model.store, to: paths.averageModel, metadata: metadata(of: report.average, score: score, report))
      return true
    } catch {
      warn(
        "\(error); training goes on, and the next average that is better than the last one written is another attempt")
      return false
    }
  }

  /// - Parameter score: of `scores`, the best figure.
  private func metadata(of scores: EpochReport.Scores?, score: Double?, _ report: EpochReport) -> [String: String] {
    var metadata = ["backbone": options.backbone.rawValue, "epoch": "\(report.epoch)"]
    metadata.merge(modelMetadata) { $1 }
    if let scores { metadata[Self.meanIoUKey] = "\(scores.meanClassIoU)" }
    if let score, options.bestFigure != .classIoU {
      (metadata[Self.figureKey], metadata[Self.scoreKey]) = (options.bestFigure.rawValue, "\(score)")
    }
    return metadata
  }

  /// Writes the best model from its checkpoint if `saveBestModel` could not.
  private func completeBestModel() throws {
    guard let metadata = unwrittenModel, let path = store?.bestModel else { return }
    let model = newModel
    try ModelFile.load(path, into: model.store)
    try ModelFile.write(model.store, to: paths.model, metadata: metadata)
    unwrittenModel = nil
  }

  /// The run's best model, on every rank. Collective.
  func loadBestModel() throws -> GatedSCNN {
    let model = newModel
    if communicator.rank == 0 { try ModelFile.load(paths.model, into: model.store) }
    for floats in [model.store.values, model.store.running] {
      communicator.broadcast(floats.start, count: floats.count)
    }
    return model
  }

  /// The newest checkpoint of an earlier step than `step`; on rank 0.
  func newest(before step: Int) -> String? {
    store?.wait()
    return store?.newest { $0 < step }
  }

  /// Waits until all saved checkpoints, and the best model, are on disk.
  func flush() throws {
    try store?.finish()
    try completeBestModel()
  }
}
