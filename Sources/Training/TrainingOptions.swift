import Cityscapes
import GatedSCNN
import Inference
import Microkernels
import System
import Tensors

/// The options of a training run, with their defaults. The command line checks their ranges.
package struct TrainingOptions: Codable, Sendable, Equatable {
  package enum BatchNormScope: String, Codable, Sendable, CaseIterable {
    /// Mean and variance of the global batch (`SyncBatchNorm`).
    case sync
    /// Mean and variance of each rank's share.
    case local
  }

  package enum TestSchedule: String, Codable, Sendable, CaseIterable {
    /// Once, after the last epoch.
    case end
    /// Each time there is a new best model.
    case best
    case never

    /// Also accepts the Boolean of earlier checkpoints.
    package init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let wasUsed = try? value.decode(Bool.self) {
        self = wasUsed ? .best : .never
      } else if let schedule = try TestSchedule(rawValue: value.decode(String.self)) {
        self = schedule
      } else {
        throw DecodingError.dataCorruptedError(in: value, debugDescription: "not a schedule of the test split")
      }
    }
  }

  /// What to do about a step whose loss, gradients or batch statistics are not finite.
  package enum NonFinitePolicy: String, Codable, Sendable, CaseIterable {
    /// End the run.
    case stop
    /// Leave the step out.
    case skip
  }

  package enum Resume: Codable, Sendable, Equatable {
    /// From the latest valid checkpoint under `savePath`; from the beginning if there is none.
    case auto
    /// From this checkpoint.
    case path(String)
  }

  package var dataPath = "data"
  /// The classes and the names of the files; `nil` for Cityscapes.
  package var labels: LabelTable?
  /// The file that describes them.
  package var classesFile: String?
  /// The folder of the prepared maps; `nil`: chosen by `Preprocessing.runOnAllRanks`.
  package var prepared: String?
  package var backbone = Backbone.resnet50
  /// Pixels.
  package var cropHeight = 512
  /// Pixels.
  package var cropWidth = 512
  /// Images of a step, over all ranks.
  package var batchSize = 4
  package var epochs = 60
  /// Steps of the training, in place of `epochs`.
  package var steps: Int?
  package var savePath = "results"
  package var seed: UInt64 = 1
  /// Compute threads of each rank; `nil`: one for each of its cores.
  package var threads: Int?
  package var learningRate = 0.01
  package var momentum = 0.9
  package var weightDecay = 1e-4
  /// Exponent of the learning-rate schedule.
  package var power = 1.0
  package var schedule = ScheduleOptions()
  package var optimizer = OptimizerOptions()
  package var batchNorm = BatchNormScope.sync
  /// Images of a group that batch norm normalizes together; `nil`: those of `batchNorm`.
  package var batchNormGroup: Int?
  package var loss = JointLoss.Configuration()
  /// `nil` in checkpoints of an earlier version.
  package var onNonFinite: NonFinitePolicy? = .stop
  package var validators = ValidationRanks.all
  /// Epochs from one validation to the next; the last epoch is always validated.
  package var validateEvery = 1
  /// The figure of the validation by which a model is the best; `nil` in checkpoints of an earlier version.
  package var saveBest: BestFigure? = .classIoU
  /// Validations in a row without a better model after which the training ends; `nil`: it does not.
  package var earlyStop: Int?
  /// When the best model predicts the test split.
  package var test = TestSchedule.end
  /// Steps from one checkpoint to the next, besides those at the ends of epochs; `nil`: none.
  package var checkpointEvery: Int?
  /// Minutes from one checkpoint to the next, by the clock of rank 0, besides the others; `nil`: none.
  package var checkpointMinutes: Double? = 30
  /// Checkpoints to keep.
  package var keep = 3
  package var resume: Resume?
  /// Steps after which this call stops as on a signal; `nil`: at the end of the training.
  package var stopAfter: Int?
  /// Whether this is a trial, in a folder that is removed at its end.
  package var isDryRun: Bool?
  /// A weight file to start from.
  package var pretrained: String?
  package var augmentation = AugmentationMode.random
  package var augmentationOptions = AugmentationOptions()
  /// `nil` in checkpoints of an earlier version.
  package var normalization: Normalization? = .imagenet
  /// Of activations and products; `nil` in checkpoints of an earlier version.
  package var precision: Precision? = .float32
  /// Of the gradients in messages; `nil` in checkpoints of an earlier version.
  package var gradientTransport: Precision? = .float32
  /// Gigabytes (10⁹ bytes) of decoded training images to cache on each machine, shared by its ranks; `nil`: no cache.
  package var cacheGigabytes: Double?
  /// Steps from one line of progress to the next when standard error is not a terminal.
  package var logEvery = 10
  package var tensorBoard = TensorBoardOptions()
  /// File for a trace of the run; `nil`: none.
  package var timeline: String?

  package init() {}

  /// Of the classes.
  package var table: LabelTable { labels ?? .cityscapes }

  /// Of the images that the run trains on and predicts.
  package var imageNormalization: Normalization { normalization ?? .imagenet }

  package var computePrecision: Precision { precision ?? .float32 }

  /// The prefix of the result files' names, `BACKBONE_CROPH_CROPW`.
  package var prefix: String { "\(backbone.rawValue)_\(cropHeight)_\(cropWidth)" }

  package var bestFigure: BestFigure { saveBest ?? .classIoU }

  /// Images of a step, over all ranks.
  package var imagesPerStep: Int { batchSize * optimizer.accumulate }

  /// The learning rate at the start of its decay, scaled with the images of a step.
  package var scaledLearningRate: Double {
    guard let base = schedule.baseBatchSize else { return learningRate }
    return learningRate * Double(imagesPerStep) / Double(base)
  }

  /// The length of the training.
  package func length(stepsPerEpoch: Int) -> TrainingLength {
    steps.map { TrainingLength(stepsPerEpoch: stepsPerEpoch, steps: $0) }
      ?? TrainingLength(stepsPerEpoch: stepsPerEpoch, epochs: epochs)
  }

  /// The option that gives the length of the training.
  var length: (option: String, value: String) {
    steps.map { ("--max-steps", "\($0)") } ?? ("--epochs", "\(epochs)")
  }

  /// The options that shape the training, with their values: a resumed run must keep them, except that those that are
  /// `changeable` may change at a checkpoint that is named.
  package var shaping: [(option: String, value: String)] {
    var shaping = [
      ("--backbone-type", backbone.rawValue), ("--crop-h", "\(cropHeight)"), ("--crop-w", "\(cropWidth)"),
      ("--batch-size", "\(batchSize)"), length, ("--seed", "\(seed)"),
      ("--learning-rate", "\(learningRate)"), ("--momentum", "\(momentum)"), ("--weight-decay", "\(weightDecay)"),
      ("--power", "\(power)"), ("--augment", augmentation.rawValue), ("--batch-norm", batchNorm.rawValue),
      ("--normalize", imageNormalization.rawValue), ("--save-best", bestFigure.rawValue),
      ("--precision", computePrecision.rawValue), ("--reduce", (gradientTransport ?? .float32).rawValue),
    ]
    shaping += Self.optional("--batch-norm-group", batchNormGroup) + Self.optional("--early-stop", earlyStop)
    return shaping + schedule.settings + optimizer.settings + augmentationOptions.settings + loss.settings
  }

  /// The setting of an option that has a value.
  static func optional(_ option: String, _ value: (some CustomStringConvertible)?) -> [(String, String)] {
    value.map { [(option, "\($0)")] } ?? []
  }

  package static let changeable: Set = Set([
    "--learning-rate", "--momentum", "--weight-decay", "--power", "--early-stop", "--reduce",
  ])
  .union(ScheduleOptions.changeable).union(OptimizerOptions.changeable)

  /// Refuses steps of more images than there are, and a warm-up that does not end.
  ///
  /// - Parameter stepsPerEpoch: 0 if an epoch has not even one.
  package func validate(_ stepsPerEpoch: Int) throws {
    guard stepsPerEpoch > 0 else {
      throw OptionError(
        "--accumulate", optimizer.accumulate,
        "a step has \(imagesPerStep) images, more than the training split; give a smaller --accumulate or --batch-size")
    }
    let steps = length(stepsPerEpoch: stepsPerEpoch).steps
    guard schedule.warmupSteps < steps || schedule.warmupSteps == 0 else {
      throw OptionError(
        "--warmup-steps", schedule.warmupSteps,
        "the training has \(steps) steps, so that the learning rate would never get to its start; give fewer")
    }
  }

  /// Refuses batches that batch norm cannot normalize, and options that exclude each other. The image pooling branch of the
  /// ASPP has one value per image and channel, and a single value has no variance.
  package func validate(ranks: Int) throws {
    guard batchSize >= 2 else {
      throw OptionError(
        "--batch-size", batchSize,
        "batch norm has one image to normalize over, and a single value has no variance; give --batch-size 2 or more")
    }
    guard batchNorm == .sync || batchSize < ranks || batchSize / ranks >= 2 else {
      throw OptionError(
        "--batch-norm", batchNorm.rawValue,
        "a rank has one image to normalize over, and a single value has no variance; "
          + "give --batch-norm sync, or --batch-size \(2 * ranks) or more")
    }
    guard scaledLearningRate <= 1e6 else {
      throw OptionError(
        "--base-batch-size", schedule.baseBatchSize ?? 1,
        "scales the learning rate of \(learningRate) to \(scaledLearningRate); give a larger one")
    }
    _ = try batchNormGroups(ranks: ranks)
    try validateAugmentation()
    if case .given(let weights) = loss.classWeights, weights.count != table.classes.count {
      throw OptionError(
        "--class-weights", weights.map { "\($0)" }.joined(separator: ","),
        "\(weights.count) weights for the \(table.classes.count) classes of \(table.name); give one for each, in the order "
          + "of the train ids, or split")
    }
  }

  /// Refuses random changes of images that are not changed at all.
  package func validateAugmentation() throws {
    let standard = AugmentationOptions().settings
    let changed = augmentationOptions.settings.first { setting in !standard.contains { $0 == setting } }
    if augmentation == .none, let changed {
      throw OptionError(
        changed.option, changed.value, "nothing is random with --augment none; leave out one of the two")
    }
  }

  /// The groups that batch norm normalizes; `nil` if it normalizes the whole batch or each rank's share.
  ///
  /// - Throws: `OptionError` if the batch does not consist of such groups, or if they do not nest with the ranks' shares.
  package func batchNormGroups(ranks: Int) throws -> BatchNormGroups? {
    // A batch with too few images for the ranks is refused elsewhere.
    guard let batchNormGroup, batchSize >= ranks else { return nil }
    guard batchNorm == .sync else {
      throw OptionError(
        "--batch-norm-group", batchNormGroup,
        "with --batch-norm \(batchNorm.rawValue) each rank normalizes its share; leave one of the two out")
    }
    guard let groups = BatchNormGroups(of: batchNormGroup, batchSize: batchSize, ranks: ranks) else {
      let sizes = BatchNormGroups.sizes(batchSize: batchSize, ranks: ranks).map { "\($0)" }
      let reason =
        batchSize.isMultiple(of: ranks)
        ? "a group must divide the batch of \(batchSize) images, and divide, or be a multiple of, each rank's share of "
          + "\(batchSize / ranks)"
        : "\(ranks) ranks hold unequal shares of the batch of \(batchSize) images, and groups within it need equal ones"
      throw OptionError(
        "--batch-norm-group", batchNormGroup,
        "\(reason); give \(sizes.abbreviated().joined(separator: ", ")), or leave it out")
    }
    return groups.count > 1 ? groups : nil
  }
}

extension Backbone: Codable {}

/// Checkpoints of earlier versions have no such options.
extension KeyedDecodingContainer {
  func decode(_ type: JointLoss.Configuration.Type, forKey key: Key) throws -> JointLoss.Configuration {
    try decodeIfPresent(type, forKey: key) ?? JointLoss.Configuration()
  }

  func decode(_ type: TensorBoardOptions.Type, forKey key: Key) throws -> TensorBoardOptions {
    try decodeIfPresent(type, forKey: key) ?? TensorBoardOptions()
  }

  func decode(_ type: OptimizerOptions.Type, forKey key: Key) throws -> OptimizerOptions {
    try decodeIfPresent(type, forKey: key) ?? OptimizerOptions()
  }

  func decode(_ type: AugmentationOptions.Type, forKey key: Key) throws -> AugmentationOptions {
    try decodeIfPresent(type, forKey: key) ?? AugmentationOptions()
  }

  func decode(_ type: ScheduleOptions.Type, forKey key: Key) throws -> ScheduleOptions {
    try decodeIfPresent(type, forKey: key) ?? ScheduleOptions()
  }
}
