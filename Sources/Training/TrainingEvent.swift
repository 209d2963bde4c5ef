import Cityscapes
import GatedSCNN

/// What happens in a run, for those who watch it. Rank 0 tells; the other ranks are silent.
package enum TrainingEvent {
  case started(RunDescription)
  case stepped(StepReport)
  /// An image of a validation was judged.
  case imageEvaluated(Split, done: Int, of: Int)
  case epochFinished(EpochReport, isBest: Bool)
  /// The test split was judged with a new best model.
  case tested(Evaluation)
  case stopped(status: Int32, checkpoint: String)
  case finished(bestMeanIoU: Double?)
}

/// Watches a run.
package protocol TrainingObserver: AnyObject {
  func observe(_ event: TrainingEvent) throws
}

/// What a run is about to do.
package struct RunDescription {
  package let options: TrainingOptions
  /// Where ranks, threads and images are, a line each.
  package let layout: [String]
  package let parameters: Int
  package let images: [Split: Int]
  package let stepsPerEpoch: Int
  /// The position from which it goes on.
  package let position: Position
  /// The checkpoint it goes on from, the file it starts from, or `nil`.
  package let origin: String?

  package init(
    options: TrainingOptions, layout: [String], parameters: Int, images: [Split: Int], stepsPerEpoch: Int,
    position: Position, origin: String?
  ) {
    self.options = options
    self.layout = layout
    self.parameters = parameters
    self.images = images
    self.stepsPerEpoch = stepsPerEpoch
    self.position = position
    self.origin = origin
  }
}

/// A place in a run: `step` steps of epoch `epoch` are done. Both are counted from 0.
package struct Position: Codable, Sendable, Equatable {
  package var epoch: Int
  package var step: Int

  package init(epoch: Int, step: Int) {
    self.epoch = epoch
    self.step = step
  }
}

/// One step, over all ranks.
package struct StepReport {
  /// After the step.
  package let position: Position
  package let stepsPerEpoch: Int
  package let epochs: Int
  package let loss: JointLoss
  package let learningRate: Double
  package let imagesPerSecond: Double

  package init(
    position: Position, stepsPerEpoch: Int, epochs: Int, loss: JointLoss, learningRate: Double,
    imagesPerSecond: Double
  ) {
    self.position = position
    self.stepsPerEpoch = stepsPerEpoch
    self.epochs = epochs
    self.loss = loss
    self.learningRate = learningRate
    self.imagesPerSecond = imagesPerSecond
  }
}

/// One epoch: a row of the statistics file.
package struct EpochReport: Codable, Sendable, Equatable {
  /// Counted from 1.
  package let epoch: Int
  package let train: Figures
  /// `nil` where the epoch was not validated.
  package let validation: Figures?
  package let learningRate: Double
  /// Of the epoch's steps.
  package let seconds: Double
  package let imagesPerSecond: Double
  /// Images loaded by all ranks, and how long the rank that waited longest did; `nil` in a checkpoint of an earlier
  /// version.
  package let loading: Loader.Statistics?

  package init(
    epoch: Int, train: Figures, validation: Figures?, learningRate: Double, seconds: Double, imagesPerSecond: Double,
    loading: Loader.Statistics? = nil
  ) {
    self.epoch = epoch
    self.train = train
    self.validation = validation
    self.learningRate = learningRate
    self.seconds = seconds
    self.imagesPerSecond = imagesPerSecond
    self.loading = loading
  }

  /// The seed's five columns.
  package struct Figures: Codable, Sendable, Equatable {
    package let loss: Double
    package let pixelAccuracy: Double
    package let meanAccuracy: Double
    package let meanClassIoU: Double
    package let meanCategoryIoU: Double

    package init(
      loss: Double, pixelAccuracy: Double, meanAccuracy: Double, meanClassIoU: Double, meanCategoryIoU: Double
    ) {
      self.loss = loss
      self.pixelAccuracy = pixelAccuracy
      self.meanAccuracy = meanAccuracy
      self.meanClassIoU = meanClassIoU
      self.meanCategoryIoU = meanCategoryIoU
    }
  }
}
