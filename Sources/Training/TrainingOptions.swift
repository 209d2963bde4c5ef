import Cityscapes
import Distributed
import GatedSCNN

/// What a run of `gscnn train` is asked to do, with the defaults of the command line.
package struct TrainingOptions: Codable, Sendable, Equatable {
  package enum BatchNormScope: String, Codable, Sendable, CaseIterable {
    /// Mean and variance of the global batch.
    case sync
    /// Mean and variance of each rank's share.
    case local
  }

  package enum Validators: String, Codable, Sendable, CaseIterable {
    /// Rank 0 validates and the others rest.
    case rank0
    /// Every rank takes a share; the figures are the same.
    case all
  }

  package enum Resume: Codable, Sendable, Equatable {
    /// From the newest whole checkpoint under `savePath`; from the beginning where there is none.
    case auto
    /// From this checkpoint.
    case path(String)
  }

  package var dataPath = "data"
  package var backbone = Backbone.resnet50
  /// Pixels.
  package var cropHeight = 512
  /// Pixels.
  package var cropWidth = 512
  /// Pictures of a step, over all ranks.
  package var batchSize = 4
  package var epochs = 60
  package var savePath = "results"
  package var seed: UInt64 = 1
  /// Compute threads of each rank; `nil`: as many as cores are its own.
  package var threads: Int?
  package var learningRate = 0.01
  package var momentum = 0.9
  package var weightDecay = 1e-4
  package var power = 1.0
  package var batchNorm = BatchNormScope.sync
  package var validators = Validators.rank0
  /// Epochs from one validation to the next; the last epoch is always validated.
  package var validateEvery = 1
  /// Whether a new best model is also tried on the test split.
  package var test = true
  /// Steps from one checkpoint to the next beside those at the ends of epochs; `nil`: none.
  package var checkpointEvery: Int?
  /// Checkpoints that stay.
  package var keep = 3
  package var resume: Resume?
  /// Steps of this run after which it stops as on a signal; `nil`: until the last epoch.
  package var maxSteps: Int?
  package var pretrained: String?
  package var augmentation = AugmentationMode.seed
  /// Steps from one line of progress to the next where there is no terminal.
  package var logEvery = 10

  package init() {}

  /// What the names of result files begin with, `BACKBONE_CROPH_CROPW`.
  package var prefix: String { "\(backbone.rawValue)_\(cropHeight)_\(cropWidth)" }

  /// Checks what can be checked without looking at a file.
  package func validate(ranks: Int) throws {
    let positive: [(String, Int)] = [
      ("--crop-h", cropHeight), ("--crop-w", cropWidth), ("--batch-size", batchSize), ("--epochs", epochs),
      ("--validate-every", validateEvery), ("--keep", keep), ("--log-every", logEvery),
      ("--threads", threads ?? 1), ("--checkpoint-every", checkpointEvery ?? 1), ("--max-steps", maxSteps ?? 1),
    ]
    for (option, value) in positive where value < 1 {
      throw OptionError(option, "is \(value); give a number from 1 up")
    }
    for (option, value) in [("--crop-h", cropHeight), ("--crop-w", cropWidth)] where value > 16384 {
      throw OptionError(option, "is \(value); no picture is that large, give at most 16384")
    }
    let rates: [(String, Double, ClosedRange<Double>)] = [
      ("--learning-rate", learningRate, 0...1000), ("--momentum", momentum, 0...0.999_999),
      ("--weight-decay", weightDecay, 0...1), ("--power", power, 0...100),
    ]
    for (option, value, range) in rates where !range.contains(value) {
      throw OptionError(option, "is \(value); give a number from \(range.lowerBound) to \(range.upperBound)")
    }
    guard batchSize >= ranks else {
      throw OptionError(
        "--batch-size",
        "is \(batchSize) for \(ranks) ranks; each needs a picture: raise it to \(ranks) or start fewer ranks")
    }
    // The pooled branch normalises over one value a picture, and a single value has no variance.
    let pictures = batchNorm == .sync ? batchSize : batchSize / ranks
    guard pictures >= 2 else {
      throw OptionError(
        batchNorm == .sync ? "--batch-size" : "--batch-norm",
        "batch norm has one picture to normalise over, and a single value has no variance; "
          + (batchNorm == .sync
            ? "give --batch-size 2 or more" : "give --batch-norm sync, or --batch-size \(2 * ranks) or more"))
    }
  }
}

/// The call is wrong: which option, why, and what to give instead.
///
/// All ranks were called alike, or rank 0 alone looked: one rank tells.
package struct OptionError: SharedError, CustomStringConvertible, Equatable {
  package let option: String
  package let remedy: String

  package init(_ option: String, _ remedy: String) {
    self.option = option
    self.remedy = remedy
  }

  package var description: String { "\(option): \(remedy)" }
}

/// What was asked for could not be done: one line that names the file and the remedy.
package struct TrainingError: Error, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension Backbone: Codable {}
