import Cityscapes
import GatedSCNN
import Inference

/// An event of a run. Rank 0 notifies its observers; the other ranks have none.
package enum TrainingEvent {
  case started(RunDescription)
  case stepped(StepReport)
  /// The step after this position is left out, because something in it is not finite.
  case skipped(Position, NonFiniteValue, images: [String])
  /// More images of a split are evaluated; at first, those done before the run was stopped.
  case imageEvaluated(Split, done: Int, of: Int)
  /// Some images of the validation split are predicted after an epoch, counted from 1.
  case imagesPredicted([ImagePanels], epoch: Int)
  case epochFinished(EpochReport, isBest: Bool, isBestAverage: Bool)
  /// The best model is evaluated on the test split.
  case tested(Evaluation)
  case stopped(status: Int32, checkpoint: String)
  /// - Parameter early: whether validations without a better model ended the training.
  case finished(bestScore: Double?, early: Bool)
  /// The run ends with an error.
  case failed
}

/// Observes a run.
package protocol TrainingObserver: AnyObject {
  func observe(_ event: TrainingEvent) throws
}

/// A run that is about to start.
package struct RunDescription {
  package let options: TrainingOptions
  /// Ranks, threads and images of each machine, as lines of text.
  package let layout: [String]
  package let parameters: Int
  package let images: [Split: Int]
  /// The maps that were made for this run and what they hold, as lines of text.
  package let prepared: [String]
  package let length: TrainingLength
  /// The position where it starts.
  package let position: Position
  /// The checkpoint or weight file that it starts from, or `nil`.
  package let origin: String?
  /// The finished epochs of a resumed run.
  package let epochs: [EpochReport]

  package init(
    options: TrainingOptions, layout: [String], parameters: Int, images: [Split: Int], prepared: [String] = [],
    length: TrainingLength, position: Position, origin: String?, epochs: [EpochReport] = []
  ) {
    self.options = options
    self.layout = layout
    self.parameters = parameters
    self.images = images
    self.prepared = prepared
    self.length = length
    self.position = position
    self.origin = origin
    self.epochs = epochs
  }
}

/// A position in a run: `step` steps of epoch `epoch` are done. Both count from 0.
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
  package let loss: JointLoss
  package let learningRate: Double
  /// Of the mean gradient over the global batch.
  package let gradientNorm: Double
  package let imagesPerSecond: Double
  /// Of rank 0.
  package let times: StepTimes

  package init(
    position: Position, loss: JointLoss, learningRate: Double, gradientNorm: Double, imagesPerSecond: Double,
    times: StepTimes = StepTimes()
  ) {
    self.position = position
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.imagesPerSecond = imagesPerSecond
    self.times = times
  }
}

/// Seconds of a step on one rank, by part.
package struct StepTimes: Sendable, Equatable {
  /// Waiting for images.
  package var loading: Double
  /// The forward pass and the losses, with their all-reduces of batch statistics.
  package var forward: Double
  /// The backward pass, with its all-reduces of batch statistics.
  package var backward: Double
  /// Waiting after the backward pass for the all-reduces of the gradients.
  package var communication: Double
  /// The norm of the gradient and the update of the parameters.
  package var update: Double

  package init(
    loading: Double = 0, forward: Double = 0, backward: Double = 0, communication: Double = 0, update: Double = 0
  ) {
    self.loading = loading
    self.forward = forward
    self.backward = backward
    self.communication = communication
    self.update = update
  }
}
