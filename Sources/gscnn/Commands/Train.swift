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
    name: [.customLong("data-path"), .customLong("data_path")],
    help: "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout; prepared first where it is not yet.")
  var dataPath = "data"

  @Option(
    name: [.customLong("backbone-type"), .customLong("backbone_type")],
    help: "Depth of the trunk: resnet50 or resnet101.")
  var backboneType = Backbone.resnet50

  @Option(name: [.customLong("crop-h"), .customLong("crop_h")], help: "Height of a training crop, in pixels.")
  var cropH = 512

  @Option(name: [.customLong("crop-w"), .customLong("crop_w")], help: "Width of a training crop, in pixels.")
  var cropW = 512

  @Option(
    name: [.customLong("batch-size"), .customLong("batch_size")],
    help: "Pictures of a step, shared out over the ranks: the training does not depend on their number.")
  var batchSize = 4

  @Option(help: "Times that every training picture is seen.")
  var epochs = 60

  @Option(name: [.customLong("save-path"), .customLong("save_path")], help: "Folder for everything the run writes.")
  var savePath = "results"

  @Option(help: "Chooses initial weights, order, scales, crops and flips; the same seed gives the same run.")
  var seed: UInt64 = 1

  @Option(help: "Compute threads of each rank (default: the cores that are the rank's own).")
  var threads: Int?

  @Option(help: "Learning rate of the first epoch.")
  var learningRate = 0.01

  @Option(help: "Momentum of SGD.")
  var momentum = 0.9

  @Option(help: "Weight decay of SGD, on every parameter.")
  var weightDecay = 1e-4

  @Option(help: "The learning rate falls as (1 - epoch/epochs) to this power.")
  var power = 1.0

  @Option(help: "Batch norm over the global batch (sync) or over each rank's share (local).")
  var batchNorm = TrainingOptions.BatchNormScope.sync

  @Option(help: "Who validates: rank0 while the others rest, or all; the figures are the same.")
  var validateOn = TrainingOptions.Validators.rank0

  @Option(help: "Epochs from one validation to the next.")
  var validateEvery = 1

  @Flag(help: "Leave the test split alone when a model is the best so far.")
  var noTest = false

  @Option(help: "Steps from one checkpoint to the next, beside those at the end of each epoch (default: none).")
  var checkpointEvery: Int?

  @Option(help: "Checkpoints that stay.")
  var keep = 3

  @Option(help: "Go on from a checkpoint: its path, or auto for the newest whole one under --save-path.")
  var resume: String?

  @Option(help: "Steps after which this run saves and stops (default: none).")
  var maxSteps: Int?

  @Option(help: "Start from the tensors of a safetensors file: the whole network, or a trunk alone under timm's names.")
  var pretrained: String?

  @Option(
    help:
      "seed: random scale, crop and flip; none: pictures in the order of their names, at their own size, for comparing."
  )
  var augment = AugmentationMode.seed

  @Option(help: "The loss; full is to come.")
  var loss = LossKind.seed

  @Option(help: "Steps from one line of progress to the next where there is no terminal.")
  var logEvery = 10

  enum LossKind: String, ExpressibleByArgument, CaseIterable {
    case seed
  }

  func run() throws {
    let communicator = try Communicator.start()
    let options = options
    try options.validate(ranks: communicator.size)
    let threads = try computeThreads(threads, communicator)
    let status = try Trainer(options, communicator: communicator, threads: threads).run()
    communicator.finish()
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
    options.logEvery = logEvery
    return options
  }
}

extension Backbone: ExpressibleByArgument {}
extension AugmentationMode: ExpressibleByArgument {}
extension TrainingOptions.BatchNormScope: ExpressibleByArgument {}
extension TrainingOptions.Validators: ExpressibleByArgument {}
