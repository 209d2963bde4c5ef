import Cityscapes
import Distributed
import GatedSCNN
import Kernels
import Layers
import Microkernels
import System
import Tensors

/// Observes a training step from inside, for measurements.
package protocol StepObserver: AnyObject {
  /// The losses are computed; the backward pass begins.
  func forwardEnded()
  /// A parameter's gradient of this rank is complete.
  func gradientReady(_ parameter: Int)
  /// The gradients are summed over the ranks; the update begins.
  func backwardEnded()
}

/// One rank's replica of the model and of its optimizer. Its `step` is the training step of the program.
package final class Replica {
  package let model: GatedSCNN
  package let optimizer: SGD
  package let workers: WorkerPool
  /// Records the time of each part of a step.
  package var profile: Profile?
  package weak var observer: (any StepObserver)?

  /// Seconds of the gradients' all-reduce so far, and of waiting for it.
  package var communication: GradientBuckets.Times { buckets.times }

  private let timeline: Timeline?
  private let communicator: Communicator
  private let lossConfiguration: JointLoss.Configuration
  private let seed: UInt64
  private let batchNormScope: TrainingOptions.BatchNormScope
  /// The running statistics and batch counters before the current step.
  private let earlierStatistics: FloatSlice
  private var earlierCounters: [Int64] = []
  private let lossSum: any CrossReplicaSum
  private let batchNormSum: any CrossReplicaSum
  private let batchNormGroups: BatchNormGroups?
  /// Sums the statistics of this rank's groups over all groups; nil without groups.
  private let groupSum: TreeAllReduce?
  private let buckets: GradientBuckets
  /// The sum of the gradients of a step's earlier batches; empty if a step has one batch.
  private let accumulated: FloatSlice

  /// Collective.
  ///
  /// - Parameters:
  ///   - groups: of images that batch norm normalizes together, instead of the whole batch.
  ///   - loss: with resolved class weights.
  ///   - seed: of the noise in the dual-task loss.
  ///   - gradientCommunicator: a `duplicate`, for the gradient buckets alone.
  ///   - gradientTransport: of the gradients in messages.
  ///   - crossReplicaSum: sums losses and batch statistics over the ranks; over MPI by default.
  package init(
    _ model: GatedSCNN, momentum: Double, weightDecay: Double, optimizer options: OptimizerOptions = OptimizerOptions(),
    batchNorm: TrainingOptions.BatchNormScope, groups: BatchNormGroups? = nil,
    loss: JointLoss.Configuration = JointLoss.Configuration(), seed: UInt64 = 1, communicator: Communicator,
    gradientCommunicator: Communicator, gradientTransport: Precision = .float32, workers: WorkerPool,
    timeline: Timeline? = nil,
    crossReplicaSum: (any CrossReplicaSum)? = nil
  ) {
    self.model = model
    self.communicator = communicator
    lossConfiguration = loss
    self.seed = seed
    batchNormScope = batchNorm
    earlierStatistics = FloatSlice(count: model.store.running.count)
    self.timeline = timeline
    self.workers = workers
    model.store.allocateGradients()
    optimizer = SGD(model.store, momentum: Float(momentum), weightDecay: Float(weightDecay), options)
    lossSum = crossReplicaSum ?? MPICrossReplicaSum(communicator, timeline: timeline)
    batchNormGroups = groups
    if let groups {
      model.store.allocateBatchStatistics()
      // Ranks form a grid: a row holds a group; each column has one rank of every row. All columns get the same sums.
      let isShared = groups.ranksPerGroup > 1
      let row = isShared ? communicator.split(color: communicator.rank / groups.ranksPerGroup) : .single
      let column = isShared ? communicator.split(color: communicator.rank % groups.ranksPerGroup) : communicator
      batchNormSum = MPICrossReplicaSum(row, timeline: timeline)
      groupSum = TreeAllReduce(column)
    } else {
      batchNormSum = batchNorm == .sync ? lossSum : SingleReplica()
      groupSum = nil
    }
    buckets = GradientBuckets(
      model.store, communicator: gradientCommunicator, transport: gradientTransport, timeline: timeline)
    accumulated = FloatSlice(count: options.accumulate > 1 ? model.store.gradients.count : 0)
  }

  /// What a step of the training has computed.
  package struct Outcome {
    /// Of the global batch; with several batches a step, their mean.
    package let loss: JointLoss
    /// The predicted class of each pixel of this rank's share, and its label; with several batches one after another.
    package let predictions: [UInt8]
    package let targets: [UInt8]
    /// The norm of the gradient that clipping compares with its limit.
    package let gradientNorm: Double
    /// Without the time in which the step waited for its batches.
    package let times: StepTimes
  }

  /// Runs one training step on this rank's share of a global batch: forward, losses, backward, all-reduce of the
  /// gradients, update. Collective.
  ///
  /// The losses divide by pixel counts of the global batch, so that the sum of the ranks' gradients is its gradient.
  ///
  /// - Throws: as `step(learningRate:number:_:)`.
  package func step(_ batch: Batch, learningRate: Double, number: Int = 0) throws -> Outcome {
    try step(learningRate: learningRate, number: number) { batch }
  }

  /// Runs one training step on `OptimizerOptions.accumulate` batches, one after another: the mean of their gradients is
  /// applied. Batch norm and the losses are those of each batch. Collective.
  ///
  /// The ranks sum the gradients of every batch, so that the order of additions does not depend on their number.
  ///
  /// - Parameters:
  ///   - number: of the step in the run; the noise of the dual-task loss is a function of it.
  ///   - next: this rank's share of the next batch.
  /// - Throws: the error of `next`, or `NonFiniteValue`, the same on all ranks. Unless that is a parameter, the replica
  ///   is then unchanged.
  package func step(learningRate: Double, number: Int = 0, _ next: () throws -> Batch) throws -> Outcome {
    keepStatistics()
    let count = optimizer.options.accumulate
    var losses: [JointLoss] = []
    var (predictions, targets): ([UInt8], [UInt8]) = ([], [])
    let scale = 1 / Float(count)
    var (norm, times) = (0.0, StepTimes())
    var begin = Clock.now
    do {
      for index in 0..<count {
        let batch = try next()
        let (loss, predicted) = try backward(batch, step: number, &times)
        begin = Clock.now
        losses.append(loss)
        predictions += predicted
        targets += batch.target
        if count > 1 { accumulate(isFirst: index == 0, isLast: index + 1 == count) }
      }
      observer?.backwardEnded()
      norm = try profile.measure(.update) { try finiteGradientNorm(scale: scale) }
    } catch {
      restoreStatistics()
      throw error
    }
    let isFinite = timeline.measure(.optimizer) {
      profile.measure(.update) {
        optimizer.step(learningRate: learningRate, gradientScale: scale, gradientNorm: norm, on: workers)
      }
    }
    guard isFinite else {
      throw NonFiniteValue.parameter(model.store.parameters.first { $0.value.nonFiniteCount > 0 }?.name ?? "")
    }
    times.update = Clock.now - begin
    return Outcome(
      loss: JointLoss.mean(of: losses), predictions: predictions, targets: targets, gradientNorm: norm, times: times)
  }

  /// Forward and backward pass of a batch: the gradients of its loss, summed over the ranks.
  private func backward(
    _ batch: Batch, step number: Int, _ times: inout StepTimes
  ) throws -> (loss: JointLoss, predictions: [UInt8]) {
    let begin = Clock.now
    let (tape, loss, predictions) = forward(batch, step: number)
    let forwardEnd = Clock.now
    observer?.forwardEnded()
    // All ranks have the same sums, so that they take the same branches.
    guard loss.total.isFinite else { throw NonFiniteValue.loss(loss.total) }
    try requireFiniteStatistics()
    timeline.measure(.backward) { tape.backward() }
    let backwardEnd = Clock.now
    profile.measure(.communication) { buckets.synchronize() }
    times.forward += forwardEnd - begin
    times.backward += backwardEnd - forwardEnd
    times.communication += Clock.now - backwardEnd
    return (loss, predictions)
  }

  /// Adds the gradients of a batch to those of the earlier ones; the last sum is left in the gradients.
  private func accumulate(isFirst: Bool, isLast: Bool) {
    let gradients = model.store.gradients
    profile.measure(.update) {
      if isFirst {
        accumulated.copy(from: gradients)
      } else if isLast {
        FlatSum.add(accumulated, to: gradients, on: workers)
      } else {
        FlatSum.add(gradients, to: accumulated, on: workers)
      }
    }
  }

  /// With batch norm over groups, updates the running statistics after a forward pass. Collective: one all-reduce for all
  /// layers.
  private func updateRunningStatistics() {
    guard let batchNormGroups, let groupSum else { return }
    let statistics = model.store.batchStatistics
    timeline.measure("all-reduce of running statistics") {
      profile.measure(.communication) { groupSum.sum(statistics.start, count: statistics.count) }
    }
    model.store.updateRunningStatistics(groups: batchNormGroups.count)
  }

  // MARK: - Values that are not finite

  private func keepStatistics() {
    earlierStatistics.copy(from: model.store.running)
    earlierCounters = model.store.counters.map(\.value)
  }

  private func restoreStatistics() {
    model.store.running.copy(from: earlierStatistics)
    for (counter, value) in zip(model.store.counters, earlierCounters) { counter.value = value }
  }

  /// A ReLU can hide a number that is not finite from the loss, but not from the statistics of its input.
  private func requireFiniteStatistics() throws {
    var index = -1
    if model.store.running.nonFiniteCount > 0 {
      index = model.store.statistics.firstIndex { $0.value.nonFiniteCount > 0 } ?? -1
    }
    // Local statistics differ from rank to rank.
    if batchNormScope == .local { index = communicator.allReduceMax(index) }
    if index >= 0 { throw NonFiniteValue.statistic(model.store.statistics[index].name) }
  }

  private func finiteGradientNorm(scale: Float) throws -> Double {
    let norm = optimizer.gradientNorm(scale: scale, on: workers)
    guard !norm.isFinite else { return norm }
    // The backward pass goes from the last parameter to the first: the last one is nearest to the cause.
    let nearest = model.store.parameters.last { $0.gradient.nonFiniteCount > 0 }
    throw NonFiniteValue.gradient(nearest?.name ?? "")
  }

  /// A separate function, so that the network's outputs are released before the backward pass.
  private func forward(_ batch: Batch, step: Int) -> (tape: Tape, loss: JointLoss, predictions: [UInt8]) {
    let (tape, output) = timeline.measure(.forward) {
      let tape = Tape(
        .training, precision: model.precision, workers: workers, crossReplicaSum: batchNormSum,
        batchNormGroups: batchNormGroups?.perRank, profile: profile, timeline: timeline
      ) { [unowned self] parameter in
        observer?.gradientReady(parameter.index)
        profile.measure(.communication) { buckets.markReady(parameter.index) }
      }
      return (tape, model(image: batch.image, canny: batch.canny, in: tape))
    }
    updateRunningStatistics()
    let noise = batch.indices.map { DualTaskLoss.noise(seed: seed, step: step, sample: $0) }
    let (loss, predictions) = timeline.measure("losses") {
      profile.measure(.losses) {
        (
          JointLoss.evaluateAndAddGradients(
            output, target: batch.target, boundary: batch.boundary, lossConfiguration, noise: noise, over: lossSum,
            on: workers),
          Prediction.argmax(output.logits.value, on: workers)
        )
      }
    }
    return (tape, loss, predictions)
  }
}
