import Cityscapes
import Distributed
import GatedSCNN
import Kernels
import Layers
import Metrics
import System
import Tensors

/// The result of evaluating a network on the first images of a split: on all of them, or on those done when the
/// evaluation was stopped.
package struct Evaluation: Codable, Sendable, Equatable {
  package let split: Split
  /// nil for Cityscapes.
  private let otherTable: LabelTable?
  package private(set) var confusion: ConfusionMatrix
  /// The joint loss of each image, in the order of the split.
  package private(set) var losses: [Double] = []
  /// Seconds of inference alone, from the normalized image to the class of every pixel; images that ranks evaluate at
  /// the same time count once, with the mean of their times.
  package private(set) var seconds = 0.0
  /// Measured only if it is there from the beginning.
  package private(set) var details: EvaluationDetails?

  /// An evaluation of no images yet.
  package init(of split: Split, _ table: LabelTable = .cityscapes, details: EvaluationDetails? = nil) {
    self.split = split
    otherTable = table.isCityscapes ? nil : table
    confusion = ConfusionMatrix(classes: table.classes.count)
    self.details = details
  }

  /// Of the classes.
  package var table: LabelTable { otherTable ?? .cityscapes }
  package var images: Int { losses.count }
  /// Mean of the images' joint losses.
  package var loss: Double { losses.reduce(0, +) / Double(max(images, 1)) }
  package var metrics: SegmentationMetrics { SegmentationMetrics(confusion, table) }
  package var imagesPerSecond: Double { Double(images) / max(seconds, 1e-9) }

  /// Adds the next images.
  package mutating func add(_ confusion: ConfusionMatrix, losses: [Double], seconds: Double) {
    self.confusion += confusion
    self.losses += losses
    self.seconds += seconds
  }

  /// Adds the details of the next images, in their order.
  package mutating func add(_ measurements: [ImageMeasurement]) {
    let table = table
    for measurement in measurements { details?.add(measurement, table) }
  }
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
  private let options: InferenceOptions
  /// How many ranks evaluate, from rank 0 on.
  private let evaluatingRanks: Int

  package init(
    _ model: GatedSCNN, workers: WorkerPool, communicator: Communicator, validators: ValidationRanks = .all,
    options: InferenceOptions = InferenceOptions()
  ) {
    self.model = model
    self.workers = workers
    self.communicator = communicator
    self.options = options
    evaluatingRanks = validators == .all ? communicator.size : 1
  }

  /// Evaluates the images of a split in rounds of one image per evaluating rank. Collective.
  ///
  /// After each round every rank knows the result so far: an evaluation can be stopped there and continued later from
  /// this result, with any number of ranks. The result is the same on every rank, and for every number of ranks: the
  /// confusion matrix is summed exactly, and losses and details are added in the order of the images.
  ///
  /// - Parameters:
  ///   - samples: the images of one split, preprocessed.
  ///   - start: the result for the first images, from an earlier call that was stopped. If it has details, those of the
  ///     next images are measured.
  ///   - folder: where rank 0 writes the predictions of all ranks, whose disks may be their own; those of a round are
  ///     there when `shouldContinue` is called.
  ///   - worst: keeps the predictions of the worst images; for an evaluation with details.
  ///   - writeFailed: called on rank 0 with the error of a prediction that could not be written; to go on it returns.
  ///   - shouldContinue: called on every rank after each round, with the result so far; its answer is the same on all
  ///     ranks.
  /// - Returns: the result for all images, or for the first ones if `shouldContinue` answered false.
  package func evaluate(
    _ samples: [SamplePaths], from start: Evaluation,
    writingTo folder: PredictionFolder? = nil, keeping worst: WorstPredictions? = nil,
    writeFailed: (any Error) throws -> Void = { throw $0 },
    shouldContinue: (Evaluation) throws -> Bool = { _ in true }
  ) throws -> Evaluation {
    var evaluation = start
    let table = start.table
    // Free blocks of the pool have the sizes of training crops or of other images, and would not be reused.
    var size: Size?
    defer { BufferPool.shared.trim() }
    while evaluation.images < samples.count {
      let indices = evaluation.images..<min(evaluation.images + evaluatingRanks, samples.count)
      let index = indices.lowerBound + communicator.rank
      var (confusion, loss, seconds) = (ConfusionMatrix(classes: table.classes.count), 0.0, 0.0)
      var (file, measured, classes) = ([UInt8](), [ImageMeasurement](), [UInt8]())
      if indices.contains(index) {
        Activity.begin(image: index + 1)
        let sample = try Sample.read(samples[index], index: index, classes: table.classes.count)
        if sample.image.size != size { BufferPool.shared.trim() }
        size = sample.image.size
        let result = try predict(sample, from: samples[index].image)
        let target = sample.trainIds.pixels
        confusion.add(prediction: result.classes, target: target)
        (loss, seconds) = (result.loss, result.seconds)
        classes = result.classes
        if let details = evaluation.details {
          let (size, thresholds) = (sample.image.size, details.boundaries.thresholds)
          measured = [
            details.labels == nil
              ? ImageMeasurement(prediction: result.classes, target: target, size, thresholds, table)
              : try ImageMeasurement(
                samples[index], prediction: result.classes, target: target, size, thresholds, table)
          ]
        }
        file = try folder?.encode(result.classes, sample.image.size, index: index) ?? []
      }
      sum(confusion, loss, seconds, of: indices, into: &evaluation)
      if evaluation.details != nil { evaluation.add(communicator.allGather(measured).flatMap(\.self)) }
      if let worst, let details = evaluation.details {
        worst.update(details, indices, with: classes, of: index, communicator)
      }
      if let folder {
        for (index, file) in zip(indices, communicator.gather(file)) {
          do { try folder.write(file, index: index) } catch { try writeFailed(error) }
        }
      }
      guard try shouldContinue(evaluation) else { break }
    }
    Activity.begin(image: 0)
    return evaluation
  }

  /// - Returns: the class of every pixel, and the joint loss, NaN if there is none: that of a mean over views or windows
  ///   is not defined.
  private func predict(_ sample: Sample, from path: String) throws -> (classes: [UInt8], loss: Double, seconds: Double)
  {
    guard options.isPlain else {
      let result = try ImagePredictor(model, options, workers: workers).predict(
        sample.image, from: path, canny: sample.canny)
      return (result.classes, .nan, result.seconds)
    }
    let result = model.predict(
      Batch(whole: sample, normalization: model.normalization), withLoss: true, on: workers)
    return (result.predictions, result.loss?.total ?? 0, result.seconds)
  }

  /// Adds the results of the ranks that evaluated the images `indices`. Collective.
  private func sum(
    _ confusion: ConfusionMatrix, _ loss: Double, _ seconds: Double, of indices: Range<Int>,
    into evaluation: inout Evaluation
  ) {
    communicator.sleepingBarrier()
    // Losses and times are gathered as bit patterns: each is 0 on all ranks but one, so that the sum is exact.
    var own = [Double](repeating: 0, count: 2 * indices.count)
    if communicator.rank < indices.count {
      own[communicator.rank] = loss
      own[indices.count + communicator.rank] = seconds
    }
    var sums = confusion.counts.map(Int.init) + own.map { Int(bitPattern: UInt($0.bitPattern)) }
    communicator.allReduceSum(&sums)
    let cells = confusion.counts.count
    let gathered = sums[cells...].map { Double(bitPattern: UInt64(UInt(bitPattern: $0))) }
    evaluation.add(
      ConfusionMatrix(counts: sums[..<cells].map(Int64.init)), losses: Array(gathered.prefix(indices.count)),
      seconds: gathered.suffix(indices.count).reduce(0, +) / Double(indices.count))
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
    let tape = Tape(.evaluation, precision: precision, workers: workers, profile: profile)
    let output = self(image: batch.image, canny: batch.canny, in: tape)
    let predictions = Prediction.argmax(output.logits.value, on: workers)
    let seconds = Clock.now - begin
    let loss = withLoss ? JointLoss.evaluate(output, target: batch.target, boundary: batch.boundary, on: workers) : nil
    return (predictions, seconds, loss)
  }
}
