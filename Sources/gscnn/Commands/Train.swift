import ArgumentParser
import Distributed
import Inference
import System
import Tensors
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains the network, alone or under mpirun; validates, saves checkpoints and the best model.",
    discussion: """
      Writes under --save-path, with P = BACKBONE_CROPH_CROPW: P_model.safetensors (the best model), P_ema_model.safetensors \
      (the best average, with --ema-decay), P_options.yaml (for --config), P_statistics.csv and \
      P_classes.csv (per epoch), P_steps.csv (per step), P_validation.json (of the best model), P_run.json, P/tensorboard \
      (event files), P/val and P/test (predictions of the best model), P/checkpoints.
      SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or SIGXCPU to any rank: all ranks finish the step or the image of a validation, \
      save, and exit with status 75; Ctrl-C: the same with 130.
      """)

  @OptionGroup var data: DataOptions
  @OptionGroup var classes: ClassesOptions
  @OptionGroup var maps: PreparedOptions
  @OptionGroup var backbone: BackboneOptions
  @OptionGroup var crop: CropOptions
  @OptionGroup var computation: PrecisionOptions
  @OptionGroup var exchange: ReduceOptions

  @Option(
    name: .kebabOrSnake("batch-size"), in: .count,
    help: .value("images", "Images of a batch, over all ranks; the training does not depend on the number of ranks."))
  var batchSize = defaults.batchSize

  @Option(in: .count, help: .value("number", "Passes over the training images."))
  var epochs = defaults.epochs

  @Option(
    in: .steps,
    help: .value("steps", "Length of the training in steps, those before a resume included, in place of --epochs."))
  var maxSteps: Int?

  @Option(name: .kebabOrSnake("save-path"), help: .value("folder", "Folder for everything that the run writes."))
  var savePath = defaults.savePath

  @OptionGroup var seeding: SeedOption

  @OptionGroup var threads: ThreadOptions

  @OptionGroup var optimization: OptimizationOptions

  @Option(help: .value("scope", "Batch norm over the global batch (sync) or over each rank's share (local)."))
  var batchNorm = defaults.batchNorm

  @OptionGroup var batchNormGroups: BatchNormGroupOptions
  @OptionGroup var loss: LossOptions

  @Option(
    help: .value(
      "what",
      "If loss, gradients or batch statistics of a step are infinite or not a number: stop, or skip the step (at most 5 in a row)."
    ))
  var onNonfinite = TrainingOptions.NonFinitePolicy.stop

  @Option(
    help: .value("ranks", "Ranks that validate: all, or rank0 while the others sleep; the metrics are the same."))
  var validateOn = defaults.validators

  @Option(in: .count, help: .value("epochs", "Epochs between validations; the last epoch is always validated."))
  var validateEvery = defaults.validateEvery

  @Option(help: .value("figure", "Figure of the validation by which a model is the best."))
  var saveBest = defaults.bestFigure

  @Option(
    in: .count,
    help: .value("validations", "End the training after so many in a row without a better model (default: do not)."))
  var earlyStop: Int?

  @Option(
    help: .value(
      "time", "When to predict the test split: at the end, with each new best model, or never."))
  var test = defaults.test

  @Flag(help: .formerName)
  var noTest = false

  @Option(
    in: .steps,
    help: .value(
      "steps", "Steps between checkpoints, in addition to one at the end of each epoch (default: none)."))
  var checkpointEvery: Int?

  @Option(
    in: 0...1e6,
    help: .value(
      "minutes", "Minutes between checkpoints, in addition to the others: the most work that a crash costs; 0: none."))
  var checkpointMinutes = defaults.checkpointMinutes ?? 0

  @Option(in: .count, help: .value("number", "Checkpoints to keep."))
  var keep = defaults.keep

  @Option(
    help: .value(
      "checkpoint", "Resume from a checkpoint: its path, or auto for the latest valid one under --save-path."))
  var resume: String?

  @Option(in: .steps, help: .value("steps", "Steps after which this call saves and stops (default: none)."))
  var stopAfter: Int?

  @Flag(
    help:
      "Try the run: two steps, a validation image on each rank that validates and a checkpoint, in a folder that is removed."
  )
  var dryRun = false

  @Option(
    help: .value(
      "file",
      "Read options from a file (option: value on each line); those of the command line win. Also as @FILE. Each run writes such a file."
    ))
  var config: String?

  @Option(
    help: .value(
      "file",
      "Start from the weights of a file (.safetensors, .pth, .pdparams): a whole network, or a ResNet-D of timm, mmseg, mmpretrain or Paddle."
    ))
  var pretrained: String?

  @OptionGroup var augmenting: AugmentOption

  @OptionGroup var augmentation: AugmentationGroup

  @Option(
    help: .value(
      "kind",
      "Normalization of images: imagenet, or half (mean and deviation 0.5), as the pretrained backbone; stored with the model."
    ))
  var normalize = Normalization.imagenet

  @Option(
    parsing: .unconditional,
    help: .value(
      "size",
      "Memory on each machine to cache decoded training images, in 10^9 bytes, shared by its ranks; 4 bytes per pixel, 6 from 32 classes on (default: none)."
    ), transform: parseCacheSize)
  var cacheGb: Double?

  @Option(in: .steps, help: .value("steps", "Steps between lines of progress if standard error is not a terminal."))
  var logEvery = defaults.logEvery

  @OptionGroup var tensorBoard: TensorBoardGroup

  @Option(
    help: .value(
      "file", "Write a trace of the last steps for ui.perfetto.dev or chrome://tracing, one process per rank."))
  var timeline: String?

  @Option(
    in: 0...1_000_000,
    help: .value(
      "seconds", "End the job with status 75 if a rank has stalled for so long (0: never); it is named after 30 s."))
  var stallTimeout = 600

  func run() throws {
    StopSignal.listen()
    let communicator = try Communicator.initialize()
    communicator.watch(
      stallTimeout: stallTimeout > 0 ? Double(stallTimeout) : nil, remedy: "start again with --resume auto")
    communicator.setAffinity()
    let threads = threads.count(for: communicator)
    var options = options
    options.labels = try classes.table(communicator)
    try OutputPath.require(
      "--timeline", timeline, otherThan: [pretrained, classes.classes].compactMap(\.self), dataPath: data.dataPath,
      options.table)
    let status =
      try dryRun
      ? DryRun(options, communicator: communicator).run(threads: threads)
      : Trainer.prepare(options, communicator: communicator, threads: threads).run()
    communicator.finalize()
    if status != 0 { throw ExitCode(status) }
  }

  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.dataPath = data.dataPath
    options.prepared = maps.prepared
    options.backbone = backbone.backboneType
    options.cropHeight = crop.cropH
    options.cropWidth = crop.cropW
    options.batchSize = batchSize
    options.classesFile = classes.classes
    options.epochs = epochs
    options.steps = maxSteps
    options.savePath = savePath
    options.seed = seeding.seed
    options.threads = threads.threads
    optimization.set(&options)
    options.batchNorm = batchNorm
    options.batchNormGroup = batchNormGroups.batchNormGroup
    options.loss = loss.configuration
    options.onNonFinite = onNonfinite
    options.validators = validateOn
    options.validateEvery = validateEvery
    options.saveBest = saveBest
    options.earlyStop = earlyStop
    options.test = noTest ? .never : test
    options.checkpointEvery = checkpointEvery
    options.checkpointMinutes = checkpointMinutes > 0 ? checkpointMinutes : nil
    options.keep = keep
    options.resume = resume.map { $0 == "auto" ? .auto : .path($0) }
    options.stopAfter = stopAfter
    options.pretrained = pretrained
    options.augmentation = augmenting.augment
    options.augmentationOptions = augmentation.options
    options.normalization = normalize
    options.precision = computation.precision
    options.gradientTransport = exchange.reduce
    options.cacheGigabytes = cacheGb
    options.logEvery = logEvery
    options.tensorBoard = tensorBoard.options
    options.timeline = timeline
    return options
  }
}

private func parseCacheSize(_ text: String) throws -> Double {
  guard let gigabytes = Double(text), gigabytes > 0, gigabytes <= 1e6 else {
    throw ValidationError("give a number above 0, up to 1000000, or leave it out")
  }
  return gigabytes
}
