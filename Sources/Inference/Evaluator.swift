import Cityscapes
import Distributed
import GatedSCNN
import Kernels
import Layers
import Metrics
import System
import Tensors

/// The result of evaluating a network on a split.
package struct Evaluation: Sendable {
  package let split: Split
  package let confusion: ConfusionMatrix
  /// Mean of the images' joint losses.
  package let loss: Double
  package let images: Int
  /// Seconds of inference alone, from the normalized image to the class of every pixel; the mean over the ranks that
  /// evaluate.
  package let seconds: Double

  package var metrics: SegmentationMetrics { SegmentationMetrics(confusion) }
  package var imagesPerSecond: Double { Double(images) / max(seconds, 1e-9) }
}

/// Which ranks validate (`--validate-on`).
package enum ValidationRanks: String, Codable, Sendable, CaseIterable {
  /// Rank 0 alone; the others sleep.
  case rank0
  /// Every rank, each on its share of the images; the metrics are the same.
  case all
}

/// Evaluates a network on whole images, one at a time, at their full size.
package struct Evaluator {
  private let model: GatedSCNN
  private let workers: WorkerPool
  private let communicator: Communicator
  private let validators: ValidationRanks

  package init(
    _ model: GatedSCNN, workers: WorkerPool, communicator: Communicator, validators: ValidationRanks = .all
  ) {
    self.model = model
    self.workers = workers
    self.communicator = communicator
    self.validators = validators
  }

  /// Evaluates the images of a split. Collective.
  ///
  /// The result is the same on every rank, and for every number of ranks: the confusion matrix is summed exactly, and the
  /// losses are added in the order of the images.
  ///
  /// - Parameters:
  ///   - samples: the images of one split, preprocessed.
  ///   - predicted: receives each image's predicted train ids, on the rank that predicted them.
  ///   - imageEvaluated: receives how many of this rank's images are done, and how many there are.
  ///   - cancelled: called before each image; a rank on which it returns true skips its remaining images.
  /// - Returns: `nil` if any rank was cancelled.
  package func evaluate(
    _ samples: [SamplePaths], of split: Split,
    predicted: (SamplePaths, _ trainIds: [UInt8], Size) throws -> Void = { _, _, _ in },
    imageEvaluated: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }, cancelled: () -> Bool = { false }
  ) throws -> Evaluation? {
    // Which images this rank evaluates.
    let own = samples.indices.filter {
      validators == .all ? $0 % communicator.size == communicator.rank : communicator.rank == 0
    }
    var confusion = ConfusionMatrix()
    var losses = [Double](repeating: 0, count: samples.count)
    var seconds = 0.0
    var wasCancelled = false
    // Free blocks of the pool have the sizes of training crops or of other images, and would not be reused.
    var size: Size?
    defer { BufferPool.shared.trim() }
    for (done, index) in own.enumerated() {
      wasCancelled = cancelled()
      if wasCancelled { break }
      Activity.begin(image: done + 1)
      let batch = Batch(whole: try Sample.read(samples[index], index: index))
      if batch.image.shape.size != size { BufferPool.shared.trim() }
      size = batch.image.shape.size
      let (predictions, elapsed, loss) = model.predict(batch, withLoss: true, on: workers)
      seconds += elapsed
      confusion.add(prediction: predictions, target: batch.target)
      losses[index] = loss?.total ?? 0
      try predicted(samples[index], predictions, batch.image.shape.size)
      try imageEvaluated(done + 1, own.count)
    }

    Activity.begin(image: 0)
    communicator.sleepingBarrier()
    var counts = confusion.counts.map(Int.init) + [wasCancelled ? 1 : 0]
    communicator.allReduceSum(&counts)
    let reduction = MPICrossReplicaSum(communicator)
    // The sum is exact: each loss is 0 on all ranks but one.
    reduction.sum(&losses)
    var total = [seconds]
    reduction.sum(&total)
    guard counts.removeLast() == 0 else { return nil }
    let evaluatingRanks = validators == .all ? min(communicator.size, max(samples.count, 1)) : 1
    return Evaluation(
      split: split, confusion: ConfusionMatrix(counts: counts.map(Int64.init)),
      loss: losses.reduce(0, +) / Double(max(samples.count, 1)), images: samples.count,
      seconds: total[0] / Double(evaluatingRanks))
  }
}

extension GatedSCNN {
  /// Predicts a batch of whole images.
  ///
  /// - Parameters:
  ///   - withLoss: whether to compute the joint loss; needs ground truth.
  ///   - profile: records the time of each part.
  /// - Returns: the class of every pixel, the seconds that this took, and the loss.
  package func predict(
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
