import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Layers
import Tensors
import Weights

/// A run of `gscnn train` on one rank.
///
/// All ranks go through the same steps. Rank 0 alone validates (or all do), writes and speaks; what it finds the others learn
/// from it, so that all take the same turns.
package final class Trainer {
  private let options: TrainingOptions
  private let communicator: Communicator
  private let workers: WorkerPool
  private let files: ResultFiles
  private let schedule: Schedule
  private let agreement: Agreement
  private let signals = StopSignal()
  private var observers: [any TrainingObserver] = []

  /// - Parameter threads: compute threads of this rank.
  package init(_ options: TrainingOptions, communicator: Communicator, threads: Int) {
    self.options = options
    self.communicator = communicator
    workers = WorkerPool(threads: threads)
    files = ResultFiles(options)
    schedule = Schedule(start: options.learningRate, epochs: options.epochs, power: options.power)
    agreement = Agreement(communicator)
  }

  private var leads: Bool { communicator.rank == 0 }

  /// Trains until the last epoch or until told to stop.
  ///
  /// - Returns: the exit status: 0 at the end, 75 or 130 where a signal (or `maxSteps`) asked for a stop and everything is saved.
  package func run() throws -> Int32 {
    try options.validate(ranks: communicator.size)
    signals.listen()
    if leads { try files.prepare() }
    try DataSet.prepare(options.dataPath, communicator: communicator, threads: workers.threads)
    let data = try TrainingData(options, communicator: communicator)

    let model = GatedSCNN(options.backbone, seed: options.seed)
    let replica = Replica(
      model, momentum: options.momentum, weightDecay: options.weightDecay, batchNorm: options.batchNorm,
      communicator: communicator, workers: workers)
    let memory = RunMemory(files, options, replica, communicator)
    let start = try memory.begin()
    var state = start.state

    if leads {
      observers = [
        StatisticsFile(path: files.statistics, rows: state.epochs), StepsFile(path: files.steps), Progress(),
      ]
    }
    try tell(
      .started(
        RunDescription(
          options: options, layout: ProcessLayout.describe(communicator, threads: workers.threads, batchSize: options.batchSize),
          parameters: model.store.parameterCount, pictures: data.counts, stepsPerEpoch: data.stepsPerEpoch,
          position: state.position, origin: start.origin)))
    try agreement.requireEqualReplicas(digest(of: replica))

    let judge = EpochJudge(options, files, model, workers, communicator, data)
    var stepsToGo = options.maxSteps ?? .max
    while state.position.epoch < options.epochs {
      if state.position.step < data.stepsPerEpoch {
        if let status = try trainEpoch(&state, on: data, with: replica, memory, stepsToGo: &stepsToGo) { return status }
      }
      let status = try closeEpoch(&state, judge, replica, memory)
      if let status { return status }
      if stepsToGo <= 0, state.position.epoch < options.epochs { return try stop(75, state, memory) }
    }
    try memory.finish()
    try tell(.finished(bestMeanIoU: state.bestMeanIoU))
    return 0
  }

  /// The steps of the running epoch that are left.
  ///
  /// - Returns: the exit status where the run is to stop.
  private func trainEpoch(
    _ state: inout TrainingState, on data: TrainingData, with replica: Replica, _ memory: RunMemory, stepsToGo: inout Int
  ) throws -> Int32? {
    let loader = try data.loader(from: state.position)
    defer { loader.stop() }
    let rate = schedule.rate(epoch: state.position.epoch)
    var begin = Profile.now
    while let batch = try loader.next() {
      let (loss, predictions) = replica.step(batch, rate: rate)
      guard loss.total.isFinite else {
        throw TrainingError(
          "epoch \(state.position.epoch + 1), step \(state.position.step + 1): the loss is \(loss.total); "
            + "lower --learning-rate and go on from the last checkpoint with --resume auto")
      }
      state.running.confusion.add(prediction: predictions, target: batch.target)
      state.position.step += 1
      state.totalSteps += 1
      stepsToGo -= 1
      let now = Profile.now
      state.running.lossSum += loss.total
      state.running.steps += 1
      state.running.seconds += now - begin
      try tell(
        .stepped(
          StepReport(
            position: state.position, stepsPerEpoch: data.stepsPerEpoch, epochs: options.epochs, loss: loss,
            learningRate: rate, picturesPerSecond: Double(options.batchSize) / (now - begin))))
      begin = now

      let isLast = state.position.step == data.stepsPerEpoch
      if let status = agreement.stopStatus(signals.received) { return try stop(status, state, memory) }
      if stepsToGo <= 0, !isLast { return try stop(75, state, memory) }
      if let every = options.checkpointEvery, state.totalSteps % every == 0, !isLast {
        try save(&state, replica, memory)
      }
    }
    return nil
  }

  /// Validates, reports, and begins the next epoch.
  private func closeEpoch(
    _ state: inout TrainingState, _ judge: EpochJudge, _ replica: Replica, _ memory: RunMemory
  ) throws -> Int32? {
    try agreement.requireEqualReplicas(digest(of: replica))
    state.running.confusion = summed(state.running.confusion)
    let epoch = state.position.epoch
    let isLast = epoch + 1 == options.epochs
    var validation: Evaluation?
    if isLast || (epoch + 1) % options.validateEvery == 0 {
      // Validation may take longer than the epoch did; should the run die in it, the steps are safe.
      try memory.save(state)
      validation = try judge.validate(cancelled: { self.signals.received != nil }, tell: tell)
      if let status = agreement.stopStatus(signals.received), validation == nil { return try stopped(status, memory) }
    }
    let isBest = validation.map { $0.metrics.meanClassIoU > state.bestMeanIoU ?? -1 } ?? false
    let report = EpochReport(epoch: epoch, of: state.running, validation: validation, rate: schedule.rate(epoch: epoch), batchSize: options.batchSize)
    if isBest, let validation {
      state.bestMeanIoU = validation.metrics.meanClassIoU
      try memory.keepBest(state)
    }
    try tell(.epochFinished(report, isBest: isBest))
    if isBest, options.test {
      guard let evaluation = try judge.test(cancelled: { self.signals.received != nil }, tell: tell) else {
        if let status = agreement.stopStatus(signals.received) { return try stopped(status, memory) }
        return nil
      }
      try tell(.tested(evaluation))
    }
    state.epochs.append(report)
    state.position = Position(epoch: epoch + 1, step: 0)
    state.running = TrainingState.RunningEpoch()
    try save(&state, replica, memory)
    if let status = agreement.stopStatus(signals.received), !isLast { return try stopped(status, memory) }
    return nil
  }
}
