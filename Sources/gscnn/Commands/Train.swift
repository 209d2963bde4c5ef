import ArgumentParser
import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains the network, alone or under mpirun; validates, keeps checkpoints and the best model.",
    discussion: """
      Writes under --save-path, with P = BACKBONE_CROPH_CROPW: P_model.safetensors (the best model), P_statistics.csv (a line \
      an epoch), P_steps.csv (a line a step), P/val and P/test (predictions of the best model), P/checkpoints.
      SIGTERM or SIGUSR1 to any rank: all finish the step, save, and exit with status 75; Ctrl-C does the same with 130.
      """)

  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value(
      "folder", "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout; prepared first where it is not yet."))
  var dataPath = "data"

  @Option(
    name: .kebabOrSnake("backbone-type"),
    help: .value("name", "Depth of the backbone."))
  var backboneType = Backbone.resnet50

  @Option(name: .kebabOrSnake("crop-h"), help: .value("pixels", "Height of a training crop."))
  var cropH = 512

  @Option(name: .kebabOrSnake("crop-w"), help: .value("pixels", "Width of a training crop."))
  var cropW = 512

  @Option(
    name: .kebabOrSnake("batch-size"),
    help: .value(
      "images", "Images of a step, shared out over the ranks: the training does not depend on their number."))
  var batchSize = 4

  @Option(help: .value("number", "Times that every training image is seen."))
  var epochs = 60

  @Option(
    name: .kebabOrSnake("save-path"), help: .value("folder", "Folder for everything the run writes."))
  var savePath = "results"

  @Option(
    help: .value("number", "Chooses initial weights, order, scales, crops and flips; the same seed gives the same run.")
  )
  var seed: UInt64 = 1

  @Option(
    help: .value("number", "Compute threads of each rank (default: the cores that are the rank's own)."))
  var threads: Int?

  @Option(help: .value("rate", "Learning rate of the first epoch."))
  var learningRate = 0.01

  @Option(help: .value("factor", "Momentum of SGD."))
  var momentum = 0.9

  @Option(help: .value("factor", "Weight decay of SGD, on every parameter."))
  var weightDecay = 1e-4

  @Option(help: .value("exponent", "The learning rate falls as (1 - epoch/epochs) to this power."))
  var power = 1.0

  @Option(
    help: .value("scope", "Batch norm over the global batch (sync) or over each rank's share (local).")
  )
  var batchNorm = TrainingOptions.BatchNormScope.sync

  @Option(
    help: .value("ranks", "Who validates: rank0 while the others rest, or all; the figures are the same."))
  var validateOn = TrainingOptions.ValidationRanks.rank0

  @Option(help: .value("epochs", "Epochs from one validation to the next."))
  var validateEvery = 1

  @Flag(help: "Leave the test split alone when a model is the best so far.")
  var noTest = false

  @Option(
    help: .value(
      "steps", "Steps from one checkpoint to the next, beside those at the end of each epoch (default: none)."))
  var checkpointEvery: Int?

  @Option(help: .value("number", "Checkpoints that stay."))
  var keep = 3

  @Option(
    help: .value("checkpoint", "Go on from a checkpoint: its path, or auto for the newest whole one under --save-path.")
  )
  var resume: String?

  @Option(help: .value("steps", "Steps after which this run saves and stops (default: none)."))
  var maxSteps: Int?

  @Option(
    help: .value(
      "file", "Start from the tensors of a safetensors file: the whole network, or a backbone alone under timm's names."))
  var pretrained: String?

  @Option(
    help: .value(
      "kind",
      "random: random scale, crop and flip; none: images in the order of their names, at their own size, for comparing."
    ))
  var augment = AugmentationMode.random

  @Option(
    help: .value(
      "size",
      "10^9 bytes on each machine in which decoded training images stay, shared by its ranks; 4 bytes a pixel (default: none)."
    ))
  var cacheGb: Double?

  @Option(help: .value("kind", "The loss: that of the original implementation."))
  var loss = LossKind.seed

  @Option(
    help: .value("steps", "Steps from one line of progress to the next where there is no terminal."))
  var logEvery = 10

  @Option(
    help: .value(
      "file", "Write a trace of the run's last steps for ui.perfetto.dev or chrome://tracing, a process a rank."))
  var timeline: String?

  enum LossKind: String, ExpressibleByArgument {
    case seed, full

    static var allValueStrings: [String] { [seed.rawValue] }
  }

  func run() throws {
    let communicator = try Communicator.initialize()
    let options = options
    guard loss == .seed else { throw OptionError("--loss", loss.rawValue, "not there yet; leave it out") }
    try options.validate(ranks: communicator.size)
    let threads = try computeThreads(threads, communicator)
    let status = try Trainer(options, communicator: communicator, threads: threads).run()
    communicator.finalize()
    if status != 0 { throw ExitCode(status) }
  }

  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.dataPath = dataPath
    options.backbone = backboneType
    options.cropHeight = cropH
    options.cropWidth = cropW
    options.batchSize = batchSize
    options.epochs = epochs
    options.savePath = savePath
    options.seed = seed
    options.threads = threads
    options.learningRate = learningRate
    options.momentum = momentum
    options.weightDecay = weightDecay
    options.power = power
    options.batchNorm = batchNorm
    options.validators = validateOn
    options.validateEvery = validateEvery
    options.test = !noTest
    options.checkpointEvery = checkpointEvery
    options.keep = keep
    options.resume = resume.map { $0 == "auto" ? .auto : .path($0) }
    options.maxSteps = maxSteps
    options.pretrained = pretrained
    options.augmentation = augment
    options.cacheGigabytes = cacheGb
    options.logEvery = logEvery
    options.timeline = timeline
    return options
  }
}
