import Cityscapes
import Distributed
import GatedSCNN
import Kernels
import Layers
import System
import Tensors

/// One rank's copy of the network and of what moves it.
package final class Replica {
  package let model: GatedSCNN
  package let optimizer: SGD
  package let workers: WorkerPool
  /// Takes the time of every part of a step, where somebody wants to know.
  package var profile: Profile?

  /// Where the time went that sums of gradients took, since the beginning.
  package var communication: GradientBuckets.Times { buckets.times }

  private let timeline: Timeline?
  private let ranks: any CrossReplicaSum
  private let batchNormReduction: any CrossReplicaSum
  private let buckets: GradientBuckets

  /// Every rank takes part.
  package init(
    _ model: GatedSCNN, momentum: Double, weightDecay: Double, batchNorm: TrainingOptions.BatchNormScope,
    communicator: Communicator, workers: WorkerPool, timeline: Timeline? = nil
  ) {
    self.model = model
    self.timeline = timeline
    self.workers = workers
    model.store.allocateGradients()
    optimizer = SGD(model.store, momentum: Float(momentum), weightDecay: Float(weightDecay))
    ranks = MPICrossReplicaSum(communicator, timeline: timeline)
    batchNormReduction = batchNorm == .sync ? ranks : SingleReplica()
    buckets = GradientBuckets(model.store, communicator: communicator, timeline: timeline)
  }

  /// One step on this rank's share of a global batch: forward, losses, backward, sum of the gradients over the ranks, update.
  ///
  /// The losses divide by counts over all ranks, so that the gradients of the ranks add up to that of the global batch.
  ///
  /// - Returns: the losses of the global batch, and for each pixel of the share the class that was predicted.
  package func step(_ batch: Batch, rate: Double) -> (loss: JointLoss, predictions: [UInt8]) {
    let (tape, loss, predictions) = forward(batch)
    timeline.measure("backward") { tape.backward() }
    measured(.communication) { buckets.synchronize() }
    timeline.measure("optimizer") { measured(.update) { optimizer.step(rate: Float(rate), on: workers) } }
    return (loss, predictions)
  }

  /// A function of its own, so that the outputs are let go of before the backward pass.
  private func forward(_ batch: Batch) -> (tape: Tape, loss: JointLoss, predictions: [UInt8]) {
    let (tape, output) = timeline.measure("forward") {
      let tape = Tape(
        .training, workers: workers, crossReplicaSum: batchNormReduction, profile: profile, timeline: timeline
      ) { [unowned self] parameter in measured(.communication) { buckets.markReady(parameter.index) } }
      return (tape, model(image: batch.image, canny: batch.canny, in: tape))
    }
    let (loss, predictions) = timeline.measure("losses") {
      measured(.losses) {
        (
          JointLoss.evaluateAndAddGradients(
            output, target: batch.target, boundary: batch.boundary, over: ranks, on: workers),
          Prediction.argmax(output.logits.value, on: workers)
        )
      }
    }
    return (tape, loss, predictions)
  }

  private func measured<Result>(_ part: Profile.Part, _ body: () -> Result) -> Result {
    profile?.measure(part, body) ?? body()
  }
}

extension GatedSCNN {
  /// The class of every pixel of a batch of whole images, how many seconds that took, and their losses where the
  /// labels are known.
  func predict(
    _ batch: Batch, withLoss: Bool, on workers: WorkerPool, profile: Profile? = nil
  ) -> (predictions: [UInt8], seconds: Double, loss: JointLoss?) {
    let begin = Clock.now
    let tape = Tape(.evaluation, workers: workers, profile: profile)
    let output = self(image: batch.image, canny: batch.canny, in: tape)
    let predictions = Prediction.argmax(output.logits.value, on: workers)
    let seconds = Clock.now - begin
    let loss = withLoss ? JointLoss.evaluate(output, target: batch.target, boundary: batch.boundary, on: workers) : nil
    return (predictions, seconds, loss)
  }
}
