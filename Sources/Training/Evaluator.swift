import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Kernels
import Layers
import Metrics
import Tensors

/// What a network makes of a split.
package struct Evaluation: Sendable {
  package let split: Split
  package let confusion: ConfusionMatrix
  /// Mean over the images of the joint loss of each.
  package let loss: Double
  package let images: Int
  /// Of the network alone: from the normalized image to the class of every pixel.
  package let seconds: Double

  package var metrics: SegmentationMetrics { SegmentationMetrics(confusion) }
  package var imagesPerSecond: Double { Double(images) / max(seconds, 1e-9) }
}

/// Judges whole images, one at a time, at their own size.
package struct Evaluator {
  private let model: GatedSCNN
  private let workers: WorkerPool
  private let communicator: Communicator
  private let validators: TrainingOptions.ValidationRanks

  package init(
    _ model: GatedSCNN, workers: WorkerPool, communicator: Communicator, validators: TrainingOptions.ValidationRanks = .all
  ) {
    self.model = model
    self.workers = workers
    self.communicator = communicator
    self.validators = validators
  }

  /// The splits' figures, the same on every rank whoever worked: the confusion matrix adds up exactly, and the
  /// losses are added in the order of the images.
  ///
  /// - Parameters:
  ///   - samples: of one split, prepared.
  ///   - predicted: is handed each image's predictions, trainIds, by the rank that made them.
  ///   - judged: is told how many of how many are done here.
  ///   - cancelled: asked before each image; once it says yes the rest is left and nothing is returned.
  package func evaluate(
    _ samples: [SamplePaths], of split: Split,
    predicted: (SamplePaths, _ trainIds: [UInt8], Size) throws -> Void = { _, _, _ in },
    imageEvaluated: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }, cancelled: () -> Bool = { false }
  ) throws -> Evaluation? {
    let mine = samples.indices.filter {
      validators == .all ? $0 % communicator.size == communicator.rank : communicator.rank == 0
    }
    var confusion = ConfusionMatrix()
    var losses = [Double](repeating: 0, count: samples.count)
    var seconds = 0.0
    var wasCancelled = false
    // What is held in reserve for crops, or for images of one size, is of no use to those of another.
    var size: Size?
    defer { BufferPool.shared.trim() }
    for (done, index) in mine.enumerated() {
      wasCancelled = cancelled()
      if wasCancelled { break }
      let batch = Batch(whole: try Sample.read(samples[index], index: index))
      if batch.image.shape.size != size { BufferPool.shared.trim() }
      size = batch.image.shape.size
      let (predictions, elapsed, loss) = model.predict(batch, withLoss: true, on: workers)
      seconds += elapsed
      confusion.add(prediction: predictions, target: batch.target)
      losses[index] = loss?.total ?? 0
      try predicted(samples[index], predictions, batch.image.shape.size)
      try imageEvaluated(done + 1, mine.count)
    }

    communicator.sleepingBarrier()
    var exact = confusion.counts.map(Int.init) + [wasCancelled ? 1 : 0]
    communicator.allReduceSum(&exact)
    let reduction = MPICrossReplicaSum(communicator)
    reduction.sum(&losses)
    var total = [seconds]
    reduction.sum(&total)
    guard exact.removeLast() == 0 else { return nil }
    let ranksAtWork = validators == .all ? min(communicator.size, max(samples.count, 1)) : 1
    return Evaluation(
      split: split, confusion: ConfusionMatrix(counts: exact.map(Int64.init)),
      loss: losses.reduce(0, +) / Double(max(samples.count, 1)), images: samples.count,
      seconds: total[0] / Double(ranksAtWork))
  }
}
