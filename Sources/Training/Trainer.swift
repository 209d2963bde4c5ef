import Cityscapes
import Distributed
import GatedSCNN
import Inference
import Layers
import Machine
import Metrics
import System
import Tensors

/// The training loop of one rank: epochs of steps, validation, checkpoints, and events for observers.
///
/// All ranks run the same steps and take the same branches: what decides a branch (a signal, a validation metric) is
/// agreed on by a collective first. Rank 0 alone notifies observers and writes the run's files, except for predictions,
/// which the validating ranks write.
package final class Trainer {
  private let options: TrainingOptions
  private let communicator: Communicator
  private let workers: WorkerPool
  private let paths: RunPaths
  private let dataset: TrainingDataset
  private let cache: SharedMemorySlots?
  private let replica: Replica
  private let checkpoints: CheckpointManager
  private let validator: Validator
  private let average: AverageModel?
  private let length: TrainingLength
  private let schedule: LearningRateSchedule
  private let consensus: Consensus
  private let timelineFile: TimelineFile?
  private let timeline: Timeline?
  private let observers: [any TrainingObserver]
  /// Of the preparation, to be shown when the run starts.
  private let warnings: [String]

  private var state: TrainingState
  /// The checkpoint or weight file that the run starts from.
  private let origin: String?
  /// Steps until `stopAfter`.
  private var remainingSteps: Int
  /// Steps left out since the last one that was not.
  ///
  /// A checkpoint after them would hold the parameters before them, which may be the reason: until a step succeeds none
  /// is written that would push out the earlier ones.
  private var skippedInARow = 0
  /// Whether this process has shown image and ground truth of the images that it predicts.
  private var hasShownTruth = false
  /// More skipped steps in a row are not due to single images.
  private static let maximumSkips = 5

  init(
    _ options: TrainingOptions, communicator: Communicator, workers: WorkerPool, paths: RunPaths,
    timelineFile: TimelineFile?, timeline: Timeline?, dataset: TrainingDataset, cache: SharedMemorySlots?,
    replica: Replica, average: AverageModel?, checkpoints: CheckpointManager, start: CheckpointManager.StartingPoint,
    warnings: [String], observers: [any TrainingObserver]
  ) {
    self.warnings = warnings
    self.options = options
    self.communicator = communicator
    self.workers = workers
    self.paths = paths
    self.timelineFile = timelineFile
    self.timeline = timeline
    self.dataset = dataset
    self.cache = cache
    self.replica = replica
    self.average = average
    self.checkpoints = checkpoints
    validator = Validator(
      options: options, paths: paths, workers: workers, communicator: communicator, dataset: dataset, warn: Self.warn)
    length = options.length(stepsPerEpoch: dataset.stepsPerEpoch)
    schedule = LearningRateSchedule(
      start: options.scaledLearningRate, power: options.power, length, options.schedule)
    consensus = Consensus(communicator)
    remainingSteps = options.stopAfter ?? .max
    state = start.state
    state.dataDigest = dataset.digest
    origin = start.origin
    self.observers =
      communicator.rank == 0
      ? [
        EpochsFile(path: paths.statistics, rows: state.epochs, text: StatisticsTable.text),
        StepsFile(path: paths.steps, loss: options.loss.kind),
        EpochsFile(path: paths.classes, rows: state.epochs) { [classes = options.table.classes.map(\.name)] in
          ClassesTable.text($0, classes: classes)
        },
      ]
        + (options.tensorBoard.isOn
          ? [TensorBoardFiles(folder: paths.tensorBoard, options, parameters: replica.model.store.parameters)] : [])
        + observers : []
  }

  /// Trains until the end of the training or until a stop is requested. Collective.
  ///
  /// - Returns: the exit status: 0 at the end and after `stopAfter`; 75 or 130 after a signal. Everything is saved then.
  package func run() throws -> Int32 {
    Activity.enter(.training)
    let status: Int32
    do {
      status = try train()
    } catch {
      if !(error is StopRequested) { try? notify(.failed) }
      throw error
    }
    cache?.close()
    if let timelineFile, let timeline { try timelineFile.write(timeline) }
    return status
  }

  private func train() throws -> Int32 {
    try announce()
    synchronizeRunningStatistics()
    try requireEqualReplicas()
    try Self.stopIfRequested(consensus)
    if state.totalSteps == 0 || options.isDryRun == true {
      try ProgressLine.shared.during("trying an image of the validation") {
        try Activity.during(.starting, rehearseValidation)
      }
    }
    // From now on --resume auto continues this branch of the run, however soon this process ends.
    if case .path = options.resume {
      try Activity.during(.checkpoint) {
        try save()
        try flush()
        checkpoints.setAbandonedModelAside()
      }
    }
    try Self.stopIfRequested(consensus)
    if options.isDryRun == true, !isDone { return try trainEpoch() ?? stop(0) }
    while !isDone {
      if let status = try trainEpoch() ?? endEpoch() { return status }
    }
    try flush()
    if options.test == .end, options.isDryRun != true, let status = try predictTestSplit() { return status }
    try notify(.finished(bestScore: state.bestScore, early: state.endsEarly))
    return 0
  }

  /// Whether the last epoch has ended, its validation included.
  private var isDone: Bool { state.position.epoch >= length.epochs || state.endsEarly }

  /// Predicts an image of the validation split on each rank that validates, without using the result: whole images need
  /// more memory than training crops, and a file may be damaged inside. Both had better show before the first epoch.
  private func rehearseValidation() throws {
    guard options.validators == .all || communicator.rank == 0 else { return }
    let index = communicator.rank % dataset.validation.count
    let batch = Batch(
      whole: try Sample.read(dataset.validation[index], index: index, classes: options.table.classes.count),
      normalization: replica.model.normalization)
    _ = replica.model.predict(batch, withLoss: true, on: workers)
    // Blocks of this size would not be reused.
    BufferPool.shared.trim()
  }

  /// Trains the remaining steps of the current epoch.
  ///
  /// - Returns: the exit status if the run is to stop.
  private func trainEpoch() throws -> Int32? {
    guard state.position.step < dataset.stepsPerEpoch, state.totalSteps < length.steps else { return nil }
    let loader = dataset.loader(from: state.position, cache: cache, timeline: timeline)
    defer {
      loader.stop()
      state.running.add(loader.statistics)
    }
    var begin = Clock.now
    while true {
      let learningRate = schedule.learningRate(step: state.totalSteps)
      let waited = loader.statistics.secondsWaited
      let outcome = try step(loader, learningRate: learningRate)
      let end = Clock.now
      state.position.step += 1
      state.totalSteps += 1
      state.instructionSet = workers.instructionSet.rawValue
      state.ranks = options.gradientTransport == .bfloat16 ? communicator.size : nil
      remainingSteps -= 1
      if let outcome {
        average?.update(on: workers)
        state.averageUpdates = average?.updates
        state.running.add(outcome.loss, seconds: end - begin)
        state.running.confusion.add(prediction: outcome.predictions, target: outcome.targets)
        var times = outcome.times
        times.loading = loader.statistics.secondsWaited - waited
        try notify(
          .stepped(
            StepReport(
              position: state.position, loss: outcome.loss, learningRate: learningRate,
              gradientNorm: outcome.gradientNorm,
              imagesPerSecond: Double(options.imagesPerStep) / (end - begin), times: times)))
      }
      begin = end

      let isDue = try checkpoints.isDue()
      let next = timeline.measure("agree on stopping") { consensus.afterStep(StopSignal.received, checkpoint: isDue) }
      if let status = next.stop { return try stop(status) }
      if state.position.step == dataset.stepsPerEpoch || state.totalSteps == length.steps { break }
      if remainingSteps == 0 { return try stop(0) }
      let isWanted = next.checkpoint || options.checkpointEvery.map { state.totalSteps % $0 == 0 } ?? false
      if isWanted, skippedInARow == 0 { try save() }
    }
    return nil
  }

  private func nextBatch(of loader: Loader) throws -> Batch {
    Activity.begin(step: state.totalSteps + 1)
    guard let batch = try timeline.measure(.loading, as: "wait for images", { try loader.next() }) else {
      preconditionFailure("the loader has fewer batches than an epoch has steps")
    }
    return batch
  }

  /// Trains one step.
  ///
  /// - Returns: `nil` if something in it was not finite and the options say to leave such steps out.
  private func step(_ loader: Loader, learningRate: Double) throws -> Replica.Outcome? {
    // Waiting for the first batch is no part of the step.
    var first: Batch? = try nextBatch(of: loader)
    var used = 0
    do {
      let outcome = try timeline.measure("step \(state.totalSteps + 1)") {
        try replica.step(learningRate: learningRate, number: state.totalSteps) {
          used += 1
          defer { first = nil }
          return try first ?? nextBatch(of: loader)
        }
      }
      skippedInARow = 0
      return outcome
    } catch let value as NonFiniteValue {
      for _ in used..<options.optimizer.accumulate { _ = try nextBatch(of: loader) }
      let images = dataset.images(ofStepAfter: state.position)
      if options.onNonFinite == .skip, !value.isInParameters, skippedInARow < Self.maximumSkips {
        skippedInARow += 1
        state.running.skipped = (state.running.skipped ?? 0) + 1
        try notify(.skipped(state.position, value, images: images))
        return nil
      }
      // The loss of the step after a checkpoint does not depend on the learning rate: only an earlier one helps.
      throw NonFiniteStepError(
        position: state.position, value: value, images: images, skipped: skippedInARow,
        isSaved: checkpoints.newest(before: .max) != nil,
        checkpoint: checkpoints.newest(before: state.totalSteps - skippedInARow))
    }
  }

  /// Validates, keeps the model if it is the best, reports the epoch, saves, and advances to the next epoch.
  ///
  /// - Returns: the exit status if the run is to stop.
  private func endEpoch() throws -> Int32? {
    let epoch = state.position.epoch
    let isLast = epoch + 1 == length.epochs
    // Validation may take longer than the epoch: if the run ends in it, the steps are saved.
    if skippedInARow == 0 { try save() }

    var validation: Evaluation?
    if isLast || (epoch + 1) % options.validateEvery == 0 {
      validation = try timeline.measure(.validation) {
        try validator.evaluate(.val, with: replica.model, stopRequested: stopRequested, notify: notify)
      }
      if validation == nil { return try interrupted() }
    }
    var averaged: Evaluation?
    if validation != nil, let average, average.updates > 0 {
      averaged = try timeline.measure(.validation, as: "validation of the average") {
        try validator.evaluateAverage(average.model, stopRequested: stopRequested, notify: notify)
      }
      if averaged == nil { return try interrupted() }
    }
    guard try showImages(after: epoch + 1) else { return try interrupted() }
    let report = EpochReport(
      epoch: epoch + 1,
      train: EpochReport.Scores(
        loss: state.running.steps == 0 ? .nan : state.running.lossSum / Double(state.running.steps),
        SegmentationMetrics(state.running.confusion, options.table)),
      validation: validation.map(EpochReport.Scores.init), average: averaged.map(EpochReport.Scores.init),
      learningRate: schedule.learningRate(step: state.totalSteps - 1), seconds: state.running.seconds,
      imagesPerSecond: Double(state.running.steps * options.imagesPerStep) / max(state.running.seconds, 1e-9),
      loading: loaderStatisticsOfAllRanks(), skipped: state.running.skipped)
    let score = report.validation.flatMap(options.bestFigure.value)
    let isBest = score.map { options.bestFigure.isBetter($0, than: state.bestScore) } ?? false
    let averageScore = report.average.flatMap(options.bestFigure.value)
    let isBestAverage = averageScore.map { options.bestFigure.isBetter($0, than: state.bestAverageScore) } ?? false
    var tested: Evaluation?
    if isBest, options.test == .best {
      tested = try timeline.measure(.validation, as: "test split") {
        try validator.evaluate(.test, with: replica.model, stopRequested: stopRequested, notify: notify)
      }
      if tested == nil { return try interrupted() }
    }
    if isBestAverage, let average,
      writing("best average", { checkpoints.saveBestAverage(average, score: averageScore, report) })
    {
      state.bestAverageScore = averageScore
    }
    validator.discardAverage()
    if isBest {
      state.bestScore = score
      writing("best model") { checkpoints.saveBestModel(state, report) }
      if let validation { validator.writeReport(validation) }
      validator.promote(.val)
      // Predictions of the test split by an earlier model are no longer those of the best one.
      tested == nil ? validator.removePredictions(.test) : validator.promote(.test)
    } else {
      validator.discard(.val)
    }
    state.epochs.append(report)
    state.position = Position(epoch: epoch + 1, step: 0)
    state.running = TrainingState.RunningEpoch(classes: options.table.classes.count)
    if skippedInARow == 0 || isDone {
      try writing("checkpoint") { try checkpoints.save(state, isBest: isBest) }
    }
    try notify(.epochFinished(report, isBest: isBest, isBestAverage: isBestAverage))
    if let tested { try notify(.tested(tested)) }

    guard !isDone else { return nil }
    if let status = consensus.stopStatus(StopSignal.received) { return try finishRun(status) }
    return remainingSteps <= 0 ? try finishRun(0) : nil
  }

  /// Predicts a few validation images for TensorBoard, if it is time. Collective.
  ///
  /// - Parameter epoch: counted from 1.
  /// - Returns: false if a stop was requested before all of them were done.
  private func showImages(after epoch: Int) throws -> Bool {
    guard options.tensorBoard.wantsImages(after: epoch, of: length.epochs) else { return true }
    let preview = ImagePreview(
      options: options, workers: workers, communicator: communicator, samples: dataset.validation, warn: Self.warn)
    let images = try timeline.measure(.validation, as: "images for TensorBoard") {
      try preview.predict(with: replica.model, withTruth: !hasShownTruth, stopRequested: stopRequested)
    }
    guard let images else { return false }
    hasShownTruth = true
    try notify(.imagesPredicted(images, epoch: epoch))
    return true
  }

  /// Predicts the test split with the best model, unless an earlier start of the run has done so. Collective.
  ///
  /// - Returns: the exit status if the run is to stop.
  private func predictTestSplit() throws -> Int32? {
    guard state.bestScore != nil, !validator.hasPredictions(.test) else { return nil }
    let model = try ProgressLine.shared.during("loading the best model") {
      try Activity.during(.restoring) { try checkpoints.loadBestModel() }
    }
    let tested = try timeline.measure(.validation, as: "test split") {
      try validator.evaluate(.test, with: model, stopRequested: stopRequested, notify: notify)
    }
    guard let tested else { return try interrupted() }
    validator.promote(.test)
    try notify(.tested(tested))
    return nil
  }

  /// The images loaded by all ranks, and the longest wait of a rank. Collective.
  private func loaderStatisticsOfAllRanks() -> Loader.Statistics {
    let own = state.running.loading ?? Loader.Statistics()
    var counts = [own.decoded, own.cached]
    communicator.allReduceSum(&counts)
    let waited = communicator.allReduceMax(Int((own.secondsWaited * 1e6).rounded()))
    return Loader.Statistics(secondsWaited: Double(waited) * 1e-6, decoded: counts[0], cached: counts[1])
  }

  // MARK: - Stopping and saving

  /// Ends the program if a signal has come before the first step of this process: it has nothing to save. Collective.
  static func stopIfRequested(_ consensus: Consensus) throws {
    if let status = consensus.stopStatus(StopSignal.received) { throw StopRequested(status: status) }
  }

  /// Whether any rank has received a signal to stop. Collective.
  private func stopRequested() -> Bool { consensus.stopStatus(StopSignal.received) != nil }

  /// Ends a run that a signal stopped while it evaluated a split. It resumes from the checkpoint saved before, and goes on
  /// with the next image.
  private func interrupted() throws -> Int32 {
    try finishRun(consensus.stopStatus(StopSignal.received) ?? StopSignal.temporaryFailure)
  }

  private func stop(_ status: Int32) throws -> Int32 {
    try save()
    return try finishRun(status)
  }

  /// Waits for the checkpoint that is being written. Collective.
  private func flush() throws {
    try writing("checkpoint") { try checkpoints.flush() }
  }

  /// Runs `body`, which writes something large or waits for it.
  private func writing<Outcome>(_ what: String, _ body: () throws -> Outcome) rethrows -> Outcome {
    try ProgressLine.shared.during("writing the \(what)") { try Activity.during(.checkpoint, body) }
  }

  private func finishRun(_ status: Int32) throws -> Int32 {
    try flush()
    try notify(.stopped(status: status, checkpoint: paths.checkpoints))
    return status
  }

  /// Saves a checkpoint, after checking that the replicas are equal and summing the ranks' confusion matrices.
  /// Collective.
  private func save() throws {
    try timeline.measure(.checkpoint, as: "checkpoint: compare and copy") {
      synchronizeRunningStatistics()
      try requireEqualReplicas()
      var counts = state.running.confusion.counts.map(Int.init)
      communicator.allReduceSum(&counts)
      let total = ConfusionMatrix(counts: counts.map(Int64.init))
      state.running.confusion = communicator.rank == 0 ? total : ConfusionMatrix(classes: total.classes)
      try checkpoints.save(state)
    }
  }

  // MARK: - Replicas

  /// With local batch norm each rank's running statistics follow its own share of the batches: replaces them by those of
  /// rank 0, as PyTorch's DistributedDataParallel does. Collective.
  private func synchronizeRunningStatistics() {
    guard options.batchNorm == .local else { return }
    for store in [replica.model.store, average?.model.store].compactMap(\.self) {
      communicator.broadcast(store.running.start, count: store.running.count)
    }
  }

  /// Compares parameters, running statistics and momentum over the ranks, and the average of the weights. Collective.
  private func requireEqualReplicas() throws {
    try consensus.requireEqualReplicas(replica.model.store, velocities: replica.optimizer.velocities, on: workers)
    if let store = average?.model.store {
      try consensus.requireEqualReplicas(store, velocities: nil, on: workers)
    }
  }

  // MARK: - Events

  static func warn(_ text: String) {
    StandardError.write("gscnn: \(text)\n")
  }

  private func notify(_ event: TrainingEvent) throws {
    for observer in observers { try observer.observe(event) }
  }

  /// Reports the run that is about to start. Collective: gathers where the ranks and their threads run.
  private func announce() throws {
    if communicator.rank == 0 {
      do {
        try FileSystem().replaceFile(paths.options, with: options.configuration.utf8)
      } catch {
        Self.warn("\(error); training goes on, and the options stay in the checkpoints")
      }
    }
    let layout = communicator.layout(threads: workers.threads).report(
      batchSize: options.batchSize, batches: options.optimizer.accumulate)
    if communicator.rank == 0 {
      do {
        try RunDescriptionFile(
          options, state, ranks: communicator.size, layout: layout, parameters: replica.model.store.parameterCount,
          images: dataset.counts, prepared: dataset.maps?.folder, length: length
        ).write(to: paths.description)
      } catch {
        Self.warn("\(error); training goes on without a description of the run")
      }
    }
    try notify(
      .started(
        RunDescription(
          options: options, layout: layout + warnings, parameters: replica.model.store.parameterCount,
          images: dataset.counts,
          prepared: dataset.report, length: length, position: state.position,
          origin: origin, epochs: state.epochs)))
  }
}
