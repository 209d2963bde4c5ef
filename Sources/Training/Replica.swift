import Cityscapes
import Distributed
import GatedSCNN
import Kernels
import Layers
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
  private let buckets: GradientBuckets

  /// - Parameters:
  ///   - loss: with resolved class weights.
  ///   - seed: of the noise in the dual-task loss.
  ///   - gradientCommunicator: a `duplicate`, for the gradient buckets alone.
  ///   - crossReplicaSum: sums losses and batch statistics over the ranks; over MPI by default.
  package init(
    _ model: GatedSCNN, momentum: Double, weightDecay: Double, batchNorm: TrainingOptions.BatchNormScope,
    loss: JointLoss.Configuration = JointLoss.Configuration(), seed: UInt64 = 1, communicator: Communicator,
    gradientCommunicator: Communicator, workers: WorkerPool, timeline: Timeline? = nil,
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
    optimizer = SGD(model.store, momentum: Float(momentum), weightDecay: Float(weightDecay))
    lossSum = crossReplicaSum ?? MPICrossReplicaSum(communicator, timeline: timeline)
    batchNormSum = batchNorm == .sync ? lossSum : SingleReplica()
    buckets = GradientBuckets(model.store, communicator: gradientCommunicator, timeline: timeline)
  }

  /// Runs one training step on this rank's share of a global batch: forward, losses, backward, all-reduce of the
  /// gradients, update. Collective.
  ///
  /// The losses divide by pixel counts of the global batch, so that the sum of the ranks' gradients is its gradient.
  ///
  /// - Parameter number: of the step in the run; the noise of the dual-task loss is a function of it.
  /// - Returns: the losses of the global batch, and the predicted class of each pixel of the share.
  /// - Throws: `NonFiniteValue`, the same on all ranks. Unless it is a parameter, the replica is then unchanged.
  package func step(
    _ batch: Batch, learningRate: Double, number: Int = 0
  ) throws -> (loss: JointLoss, predictions: [UInt8]) {
    keepStatistics()
    let (tape, loss, predictions) = forward(batch, step: number)
    observer?.forwardEnded()
    do {
      // All ranks have the same sums, so that they take the same branches.
      guard loss.total.isFinite else { throw NonFiniteValue.loss(loss.total) }
      try requireFiniteStatistics()
      timeline.measure(.backward) { tape.backward() }
      profile.measure(.communication) { buckets.synchronize() }
      observer?.backwardEnded()
      try profile.measure(.update) { try requireFiniteGradients() }
    } catch {
      restoreStatistics()
      throw error
    }
    let isFinite = timeline.measure(.optimizer) {
      profile.measure(.update) { optimizer.step(learningRate: Float(learningRate), on: workers) }
    }
    guard isFinite else {
      throw NonFiniteValue.parameter(model.store.parameters.first { $0.value.nonFiniteCount > 0 }?.name ?? "")
    }
    return (loss, predictions)
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

  private func requireFiniteGradients() throws {
    guard !model.store.gradients.isFinite(on: workers) else { return }
    // The backward pass goes from the last parameter to the first: the last one is nearest to the cause.
    let nearest = model.store.parameters.last { $0.gradient.nonFiniteCount > 0 }
    throw NonFiniteValue.gradient(nearest?.name ?? "")
  }

  /// A separate function, so that the network's outputs are released before the backward pass.
  private func forward(_ batch: Batch, step: Int) -> (tape: Tape, loss: JointLoss, predictions: [UInt8]) {
    let (tape, output) = timeline.measure(.forward) {
      let tape = Tape(
        .training, workers: workers, crossReplicaSum: batchNormSum, profile: profile, timeline: timeline
      ) { [unowned self] parameter in
        observer?.gradientReady(parameter.index)
        profile.measure(.communication) { buckets.markReady(parameter.index) }
      }
      return (tape, model(image: batch.image, canny: batch.canny, in: tape))
    }
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
