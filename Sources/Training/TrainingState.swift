import Cityscapes
import Foundation
import GatedSCNN
import Metrics

/// What a checkpoint knows beside tensors: enough that the rest of the run is the same, to the bit.
package struct TrainingState: Codable, Sendable, Equatable {
  /// Where the run stands. With `step` at the end of the epoch the validation is still to come.
  package var position = Position(epoch: 0, step: 0)
  /// Steps since the very beginning.
  package var totalSteps = 0
  /// Class mIoU of the best model so far, 0 … 1.
  package var bestMeanIoU: Double?
  /// The epochs behind.
  package var epochs: [EpochReport] = []
  /// The part of the running epoch that is behind.
  package var running = RunningEpoch()
  /// `TrainingDataset.digest` of the images that it trains on.
  package var dataDigest: UInt64?
  /// The options that the run was started with; those that shape the training must stay as they are.
  package var options: TrainingOptions

  package init(options: TrainingOptions) { self.options = options }

  /// Sums over the steps of an epoch.
  package struct RunningEpoch: Codable, Sendable, Equatable {
    package var lossSum = 0.0
    package var steps = 0
    package var seconds = 0.0
    /// A rank's own; nil in a checkpoint of an earlier version.
    package var loading: Loader.Statistics? = Loader.Statistics()
    /// Over all ranks in a checkpoint and on rank 0 after it was read; elsewhere a rank's own.
    package var confusion = ConfusionMatrix()

    package init() {}

    /// Adds a step's losses and time.
    package mutating func add(_ loss: JointLoss, seconds: Double) {
      lossSum += loss.total
      steps += 1
      self.seconds += seconds
    }

    /// Adds what a loader did.
    package mutating func add(_ figures: Loader.Statistics) {
      let before = loading ?? Loader.Statistics()
      loading = Loader.Statistics(
        secondsWaited: before.secondsWaited + figures.secondsWaited, decoded: before.decoded + figures.decoded,
        cached: before.cached + figures.cached)
    }
  }

  /// The state as another rank reads it with `init(encoded:)`, figures that are not finite included.
  package func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return [UInt8](try encoder.encode(self))
  }

  package init(encoded bytes: [UInt8]) throws {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    self = try decoder.decode(TrainingState.self, from: Data(bytes))
  }

  /// Refuses to go on with other images: the epoch's order, and what of it is behind, would mean nothing for them.
  package func requireSameData(_ digest: UInt64) throws {
    guard let dataDigest, dataDigest != digest else { return }
    throw OptionError(
      "--data-path", options.dataPath,
      "the training images are not those that the checkpoint was made with; bring them back, or start anew in another "
        + "--save-path, from the model with --pretrained if it is to be kept")
  }

  /// Refuses to go on with options under which the run would be another.
  package func requireSameTraining(as new: TrainingOptions) throws {
    let old = options
    let fixed: [(option: String, old: String, new: String)] = [
      ("--backbone-type", old.backbone.rawValue, new.backbone.rawValue),
      ("--crop-h", "\(old.cropHeight)", "\(new.cropHeight)"),
      ("--crop-w", "\(old.cropWidth)", "\(new.cropWidth)"),
      ("--batch-size", "\(old.batchSize)", "\(new.batchSize)"),
      ("--epochs", "\(old.epochs)", "\(new.epochs)"),
      ("--seed", "\(old.seed)", "\(new.seed)"),
      ("--learning-rate", "\(old.learningRate)", "\(new.learningRate)"),
      ("--momentum", "\(old.momentum)", "\(new.momentum)"),
      ("--weight-decay", "\(old.weightDecay)", "\(new.weightDecay)"),
      ("--power", "\(old.power)", "\(new.power)"),
      ("--augment", old.augmentation.rawValue, new.augmentation.rawValue),
      ("--batch-norm", old.batchNorm.rawValue, new.batchNorm.rawValue),
    ]
    for (option, old, new) in fixed where old != new {
      throw OptionError(
        option, new,
        "the checkpoint was made with \(old); give \(option) \(old), or start anew in another --save-path"
      )
    }
  }
}
