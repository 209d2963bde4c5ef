import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Layers
import Machine
import System
import Metrics
import Tensors
import Weights

/// A run of `gscnn train` on one rank.
///
/// All ranks go through the same steps and take the same turns: what decides a turn (a signal, a figure of the validation) is
/// agreed on first. Rank 0 alone writes and speaks.
package final class Trainer {
  private let options: TrainingOptions
  private let communicator: Communicator
  private let workers: WorkerPool
  private let files: RunPaths
  private let data: TrainingDataset
  private let cache: SharedMemorySlots?
  private let replica: Replica
  private let memory: CheckpointManager
  private let validator: Validator
  private let schedule: PolynomialLRSchedule
  private let agreement: Consensus
  private let timelineFile: TimelineFile?
  private let timeline: Timeline?
  private var observers: [any TrainingObserver]

  private var state: TrainingState
  private let origin: String?
  /// Steps until `maxSteps`.
  private var stepsToGo: Int

  /// Gets everything ready, from the images to the weights of every rank.
  ///
  /// - Parameters:
  ///   - threads: compute threads of this rank.
  ///   - observers: watch on rank 0, after the files of the run.
  package init(
    _ options: TrainingOptions, communicator: Communicator, threads: Int,
    observers: [any TrainingObserver] = [Progress()]
  ) throws {
    try options.validate(ranks: communicator.size)
    self.options = options
    self.communicator = communicator
    workers = WorkerPool(threads: threads)
    files = RunPaths(options)
    schedule = PolynomialLRSchedule(start: options.learningRate, epochs: options.epochs, power: options.power)
    stepsToGo = options.maxSteps ?? .max
    agreement = Consensus(communicator)

    StopSignal.listen()
    timelineFile = try options.timeline.map { try TimelineFile($0, communicator: communicator) }
    timeline = timelineFile?.timeline()
    data = try TrainingDataset(options, communicator: communicator)
    if communicator.rank == 0 {
      try files.prepare()
      // Preparing the images may take long; a file that cannot be read is told of before.
      if let path = options.pretrained { _ = try Safetensors(contentsOf: path) }
    }
    try Preprocessing.runOnAllRanks(
      options.dataPath, splits: options.test ? Split.allCases : [.train, .val], communicator: communicator,
      threads: threads)
    cache = try options.cacheGigabytes.map { [data] in
      try SharedMemorySlots.imageCache(gigabytes: $0, for: data.train, communicator: communicator)
    }
    let model = GatedSCNN(options.backbone, seed: options.seed)
    replica = Replica(
      model, momentum: options.momentum, weightDecay: options.weightDecay, batchNorm: options.batchNorm,
      communicator: communicator, workers: workers, timeline: timeline)
    memory = CheckpointManager(options, files, replica, communicator, timeline: timeline) { warning in
      StandardError.write("gscnn: \(warning)\n")
    }
    validator = Validator(
      options: options, files: files, model: model, workers: workers, communicator: communicator, data: data)
    let start = try memory.begin()
    state = start.state
    try state.requireSameData(data.digest)
    state.dataDigest = data.digest
    origin = start.origin
    self.observers =
      communicator.rank == 0
      ? [StatisticsFile(path: files.statistics, rows: state.epochs), StepsFile(path: files.steps)] + observers : []
  }

  /// Trains until the last epoch or until told to stop.
  ///
  /// - Returns: the exit status: 0 at the end and after `maxSteps`; 75 or 130 where a signal asked for a stop. Everything is
  ///   saved then.
  package func run() throws -> Int32 {
    let status = try train()
    cache?.close()
    if let timelineFile, let timeline { try timelineFile.write(timeline) }
    return status
  }

  private func train() throws -> Int32 {
    try announce()
    try checkReplicas()
    while state.position.epoch < options.epochs {
      if let status = try trainEpoch() ?? endEpoch() { return status }
    }
    try memory.finish()
    try notify(.finished(bestMeanIoU: state.bestMeanIoU))
    return 0
  }

  /// The steps of the running epoch that are left.
  ///
  /// - Returns: the exit status where the run is to stop.
  private func trainEpoch() throws -> Int32? {
    guard state.position.step < data.stepsPerEpoch else { return nil }
    let loader = data.loader(from: state.position, cache: cache, timeline: timeline)
    defer {
      loader.stop()
      state.running.add(loader.statistics)
    }
    let rate = schedule.rate(epoch: state.position.epoch)
    var begin = Clock.now
    while let batch = try timeline.measure("wait for images", { try loader.next() }) {
      let (loss, predictions) = timeline.measure("step \(state.totalSteps + 1)") { replica.step(batch, rate: rate) }
      try requireFinite(loss)
      let end = Clock.now
      state.running.add(loss, seconds: end - begin)
      state.running.confusion.add(prediction: predictions, target: batch.target)
      state.position.step += 1
      state.totalSteps += 1
      stepsToGo -= 1
      try notify(
        .stepped(
          StepReport(
            position: state.position, stepsPerEpoch: data.stepsPerEpoch, epochs: options.epochs, loss: loss,
            learningRate: rate, imagesPerSecond: Double(options.batchSize) / (end - begin))))
      begin = end

      let status = timeline.measure("go on or stop") { agreement.stopStatus(StopSignal.received) }
      if let status { return try stop(status) }
      if state.position.step == data.stepsPerEpoch { break }
      if stepsToGo == 0 { return try stop(0) }
      if let every = options.checkpointEvery, state.totalSteps % every == 0 { try save() }
    }
    return nil
  }

  /// Validates, reports, tries a best model on the test split, and begins the next epoch.
  ///
  /// - Returns: the exit status where the run is to stop.
  private func endEpoch() throws -> Int32? {
    let epoch = state.position.epoch
    let isLast = epoch + 1 == options.epochs
    // The validation may take longer than the epoch did; should the run die in it, the steps are safe.
    try save()

    var validation: Evaluation?
    if isLast || (epoch + 1) % options.validateEvery == 0 {
      validation = try timeline.measure("validation") { try validator.evaluate(.val, cancelled: cancelled, notify: notify) }
      if validation == nil { return try interrupted() }
    }
    let report = EpochReport(
      epoch: epoch, of: state.running, loading: loadingOfAllRanks(), validation: validation,
      rate: schedule.rate(epoch: epoch),
      batchSize: options.batchSize)
    let isBest = validation.map { $0.metrics.meanClassIoU > state.bestMeanIoU ?? -1 } ?? false
    var tested: Evaluation?
    if isBest, options.test {
      tested = try timeline.measure("test split") { try validator.evaluate(.test, cancelled: cancelled, notify: notify) }
      if tested == nil { return try interrupted() }
    }
    if isBest, let validation {
      state.bestMeanIoU = validation.metrics.meanClassIoU
      try memory.saveBestModel(state)
      try validator.promote(.val)
      if options.test { try validator.promote(.test) }
    } else {
      validator.discard(.val)
    }
    state.epochs.append(report)
    state.position = Position(epoch: epoch + 1, step: 0)
    state.running = TrainingState.RunningEpoch()
    try memory.save(state, isBest: isBest)
    try notify(.epochFinished(report, isBest: isBest))
    if let tested { try notify(.tested(tested)) }

    guard !isLast else { return nil }
    if let status = agreement.stopStatus(StopSignal.received) { return try finishRun(status) }
    return stepsToGo <= 0 ? try finishRun(0) : nil
  }

  /// Every rank takes part.
  private func loadingOfAllRanks() -> Loader.Statistics {
    let own = state.running.loading ?? Loader.Statistics()
    var counts = [own.decoded, own.cached]
    communicator.allReduceSum(&counts)
    let waited = communicator.allReduceMax(Int((own.secondsWaited * 1e6).rounded()))
    return Loader.Statistics(secondsWaited: Double(waited) * 1e-6, decoded: counts[0], cached: counts[1])
  }

  // MARK: - Stopping and saving

  private var cancelled: () -> Bool { { StopSignal.received != nil } }

  /// A signal cut a validation short: what was saved before it is where the run goes on.
  private func interrupted() throws -> Int32 {
    try finishRun(agreement.stopStatus(StopSignal.received) ?? StopSignal.temporaryFailure)
  }

  private func stop(_ status: Int32) throws -> Int32 {
    try save()
    return try finishRun(status)
  }

  private func finishRun(_ status: Int32) throws -> Int32 {
    try memory.finish()
    try notify(.stopped(status: status, checkpoint: files.checkpoints))
    return status
  }

  /// Gathers what the ranks counted and writes a checkpoint, of replicas that are equal.
  private func save() throws {
    try timeline.measure("checkpoint: compare and copy") {
      try checkReplicas()
      var counts = state.running.confusion.counts.map(Int.init)
      communicator.allReduceSum(&counts)
      let total = ConfusionMatrix(counts: counts.map(Int64.init))
      state.running.confusion = communicator.rank == 0 ? total : ConfusionMatrix()
      try memory.save(state)
    }
  }

  // MARK: - Checks

  private func checkReplicas() throws {
    let store = replica.model.store
    if options.batchNorm == .local {
      // Each rank followed its own share of the batches. The model's statistics are those of rank 0, as in PyTorch.
      communicator.broadcast(store.running.start, count: store.running.count)
    }
    var hash = XXH64()
    for floats in [store.values, store.running, replica.optimizer.velocities] {
      hash.update(UnsafeRawBufferPointer(start: floats.start, count: floats.count * MemoryLayout<Float>.stride))
    }
    try agreement.requireEqualReplicas(hash.value)
  }

  private func requireFinite(_ loss: JointLoss) throws {
    guard !loss.total.isFinite else { return }
    throw NonFiniteLossError(
      description: "epoch \(state.position.epoch + 1), step \(state.position.step + 1): the loss is \(loss.total); "
        + "lower --learning-rate and start anew, or go on from an earlier checkpoint with --resume")
  }

  private struct NonFiniteLossError: CollectiveError, CustomStringConvertible {
    let description: String
  }

  // MARK: - Telling

  private func notify(_ event: TrainingEvent) throws {
    for observer in observers { try observer.observe(event) }
  }

  private func announce() throws {
    let layout = communicator.layout(threads: workers.threads).report(batchSize: options.batchSize)
    try notify(
      .started(
        RunDescription(
          options: options, layout: layout, parameters: replica.model.store.parameterCount, images: data.counts,
          stepsPerEpoch: data.stepsPerEpoch,
          position: state.position, origin: origin)))
  }
}
