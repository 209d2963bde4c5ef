import Cityscapes
import Distributed
import GatedSCNN
import System
import Tensors
import Weights

extension Trainer {
  /// Prepares a run: checks the options, listens for stop signals, creates the run's folders, preprocesses the images,
  /// builds the replica, and restores it from a checkpoint or a weight file. Collective.
  ///
  /// - Parameters:
  ///   - threads: compute threads of this rank.
  ///   - observers: notified on rank 0, after the observers that write the run's files.
  package static func prepare(
    _ options: TrainingOptions, communicator: Communicator, threads: Int,
    observers: [any TrainingObserver] = [ConsoleProgress()]
  ) throws -> Trainer {
    try options.validate(ranks: communicator.size)
    let workers = WorkerPool(threads: threads)
    let paths = RunPaths(options)
    let timelineFile = try options.timeline.map { try TimelineFile($0, communicator: communicator) }
    let timeline = timelineFile?.timeline()
    let listed = try TrainingDataset.listOnAllRanks(options, communicator: communicator)
    try options.validate(listed.stepsPerEpoch)
    var lock: RunLock?
    var observers = observers
    if communicator.rank == 0 {
      try paths.createFolders()
      lock = try RunLock(paths, host: communicator.host, say: warn)
      if options.isDryRun != true {
        let status = StatusFile(path: paths.status, host: communicator.host)
        status.start()
        observers.append(status)
      }
      // Preprocessing may take long: an unreadable weight file is reported before it.
      if let path = options.pretrained {
        _ = try ProgressLine.shared.during("reading weights") { try StateDict(contentsOf: path) }
      }
      try CheckpointManager.requireSameClasses(options, paths)
    }
    var warnings = try MemoryEstimate.requireRoom(for: options, listed, communicator: communicator)
    let dataset = try listed.prepared(
      as: Preprocessing.runOnAllRanks(
        listed.train + listed.validation + listed.test, of: options.dataPath, prepared: options.prepared,
        table: options.table, communicator: communicator, threads: threads,
        cancelled: { StopSignal.received != nil })
    ).drawn(communicator: communicator, threads: threads, cancelled: { StopSignal.received != nil })
    let cache = try options.cacheGigabytes.map {
      try SharedMemorySlots.imageCache(
        gigabytes: $0, for: dataset.train, classes: options.table.classes.count, communicator: communicator)
    }
    let loss = try options.loss.resolved(for: dataset, options.table, communicator: communicator, threads: threads)
    warnings += loss.notes(options)
    let microkernels = communicator.allGather(workers.instructionSet.rawValue)
    if let warning = TrainingState.warning(microkernels: microkernels, in: options.computePrecision) {
      warnings.append(warning)
    }
    func newModel() -> GatedSCNN {
      GatedSCNN(
        options.backbone, classes: options.table.classes.count, seed: nil,
        normalization: options.imageNormalization, precision: options.computePrecision)
    }
    ProgressLine.shared.begin("creating the network")
    let replica = try Replica(
      newModel(), momentum: options.momentum, weightDecay: options.weightDecay, optimizer: options.optimizer,
      batchNorm: options.batchNorm, groups: options.batchNormGroups(ranks: communicator.size), loss: loss,
      seed: options.seed, communicator: communicator, gradientCommunicator: communicator.duplicate(),
      gradientTransport: options.gradientTransport ?? .float32, workers: workers, timeline: timeline)
    let average = options.optimizer.emaDecay.map {
      AverageModel(newModel(), of: replica.model.store, decay: $0)
    }
    ProgressLine.shared.end()
    let checkpoints = CheckpointManager(
      options, paths, replica, average, communicator, lock: lock, timeline: timeline, warn: warn)
    try stopIfRequested(Consensus(communicator))
    let start = try ProgressLine.shared.during(options.resume == nil ? "loading weights" : "restoring the checkpoint") {
      try Activity.during(.restoring) { try checkpoints.restore() }
    }
    try start.state.requireSameData(dataset.digest)
    average?.updates = start.state.averageUpdates ?? 0
    return Trainer(
      options, communicator: communicator, workers: workers, paths: paths, timelineFile: timelineFile,
      timeline: timeline, dataset: dataset, cache: cache, replica: replica, average: average,
      checkpoints: checkpoints, start: start, warnings: warnings, observers: observers)
  }
}
