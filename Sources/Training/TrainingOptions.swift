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

  package enum ValidationRanks: String, Codable, Sendable, CaseIterable {
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
  /// Images of a step, over all ranks.
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
  package var validators = ValidationRanks.rank0
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
  package var augmentation = AugmentationMode.random
  /// 10⁹ bytes on each machine for decoded training images, which its ranks share; `nil`: none are kept.
  package var cacheGigabytes: Double?
  /// Steps from one line of progress to the next where there is no terminal.
  package var logEvery = 10
  /// Where a trace of the run is written; `nil`: nowhere.
  package var timeline: String?

  package init() {}

  /// What the names of result files begin with, `BACKBONE_CROPH_CROPW`.
  package var prefix: String { "\(backbone.rawValue)_\(cropHeight)_\(cropWidth)" }

  /// Checks what can be checked without looking at a file.
  package func validate(ranks: Int) throws {
    let numbers: [(String, Int, most: Int)] = [
      // No image is larger.
      ("--crop-h", cropHeight, 16384), ("--crop-w", cropWidth, 16384),
      ("--batch-size", batchSize, 1_000_000), ("--epochs", epochs, 1_000_000),
      ("--validate-every", validateEvery, 1_000_000), ("--keep", keep, 1_000_000), ("--threads", threads ?? 1, 1024),
      ("--log-every", logEvery, 1_000_000_000), ("--checkpoint-every", checkpointEvery ?? 1, 1_000_000_000),
      ("--max-steps", maxSteps ?? 1, 1_000_000_000),
    ]
    for (option, value, most) in numbers where !(1...most).contains(value) {
      throw OptionError(option, value, "give a number from 1 to \(most)")
    }
    let rates: [(String, Double, most: String)] = [
      ("--learning-rate", learningRate, "1000"), ("--momentum", momentum, "0.999999"),
      ("--weight-decay", weightDecay, "1"), ("--power", power, "100"),
    ]
    if let cacheGigabytes, !(cacheGigabytes > 0 && cacheGigabytes <= 1e6) {
      throw OptionError("--cache-gb", cacheGigabytes, "give a number above 0, up to 1000000, or leave it out")
    }
    for (option, value, most) in rates where !(0...(Double(most) ?? 0)).contains(value) {
      throw OptionError(option, value, "give a number from 0 to \(most)")
    }
    guard batchSize >= ranks else {
      throw OptionError(
        "--batch-size", batchSize,
        "fewer images than the \(ranks) ranks, which need one each; raise it to \(ranks) or start fewer ranks")
    }
    // The pooled branch normalizes over one value an image, and a single value has no variance.
    guard batchSize >= 2 else {
      throw OptionError(
        "--batch-size", batchSize,
        "batch norm has one image to normalize over, and a single value has no variance; give --batch-size 2 or more")
    }
    guard batchNorm == .sync || batchSize / ranks >= 2 else {
      throw OptionError(
        "--batch-norm", batchNorm.rawValue,
        "a rank has one image to normalize over, and a single value has no variance; "
          + "give --batch-norm sync, or --batch-size \(2 * ranks) or more")
    }
  }
}

/// The call is wrong: which option, why, and what to give instead.
///
/// All ranks were called alike, or rank 0 alone looked: one rank tells.
package struct OptionError: CollectiveError, CustomStringConvertible, Equatable {
  package let option: String
  package let value: String
  package let remedy: String

  /// - Parameter remedy: what is wrong with the value where that is not plain, and what to give instead.
  package init(_ option: String, _ value: some CustomStringConvertible, _ remedy: String) {
    self.option = option
    self.value = value.description
    self.remedy = remedy
  }

  package var description: String { "\(option) \(value): \(remedy)" }
}

/// What was asked for could not be done: one line that names the file and the remedy.
///
/// What all ranks do alike, or rank 0 alone: one rank tells.
package struct TrainingError: CollectiveError, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension Backbone: Codable {}
