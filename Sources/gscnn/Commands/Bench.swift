import ArgumentParser
import Benchmarks
import Cityscapes
import Distributed
import Layers
import System
import Tensors
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Times a part of the program on synthetic data and prints one line of JSON.",
    subcommands: [
      Step.self, EvaluateImage.self, CompareBoundaries.self, LoadImages.self, AllReduce.self, SaveCheckpoint.self,
      WriteEvents.self,
    ])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "step", abstract: "A training step; alone or under mpirun.")

    @OptionGroup var backbone: BackboneOptions
    @OptionGroup var computation: PrecisionOptions
    @OptionGroup var exchange: ReduceOptions
    @OptionGroup var classes: ClassesOptions
    @OptionGroup var crop: CropOptions

    @Option(name: .kebabOrSnake("batch-size"), in: .count, help: .value("images", "Images per step, over all ranks."))
    var batchSize = 2

    @OptionGroup var batchNorm: BatchNormGroupOptions
    @OptionGroup var loss: LossOptions
    @OptionGroup var threads: ThreadOptions
    @OptionGroup var repetitions: RepetitionOptions

    @Flag(help: "Add tables of the parts of the step and of the memory saved for the backward pass.")
    var profile = false

    @Option(
      help: .value("file", "Write a trace of the steps for ui.perfetto.dev or chrome://tracing, one process per rank."))
    var timeline: String?

    func run() throws {
      let communicator = try Communicator.initialize()
      var options = TrainingOptions()
      options.batchSize = batchSize
      options.batchNormGroup = batchNorm.batchNormGroup
      options.labels = try classes.table(communicator)
      options.loss = loss.configuration
      if options.loss.classWeights == .split {
        throw OptionError("--class-weights", "split", "the images are noise; give a weight for each class")
      }
      try options.validate(ranks: communicator.size)
      let timelineFile = try timeline.map { try TimelineFile($0, communicator: communicator) }
      let events = timelineFile?.timeline()
      let profile = profile ? Profile() : nil
      communicator.setAffinity()
      let result = try Benchmarks.step(
        backbone.backboneType, precision: computation.precision, reduce: exchange.reduce,
        classes: options.table.classes.count, loss: options.loss,
        batchSize: batchSize, groups: options.batchNormGroups(ranks: communicator.size), size: crop.size,
        steps: repetitions.steps, communicator: communicator,
        workers: WorkerPool(threads: threads.count(for: communicator)), profile: profile, timeline: events)
      if let timelineFile, let events { try timelineFile.write(events) }
      if communicator.rank == 0 {
        print(result.line)
        if let profile { print(profile.table(for: result)) }
        if let table = profile?.memoryTable() { print(table) }
      }
      communicator.finalize()
    }
  }

  struct EvaluateImage: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "evaluate", abstract: "The prediction of one whole image.")

    @OptionGroup var backbone: BackboneOptions
    @OptionGroup var computation: PrecisionOptions
    @OptionGroup var classes: ClassesOptions
    @OptionGroup var image: ImageSizeOptions
    @OptionGroup var threads: ThreadOptions
    @OptionGroup var repetitions: RepetitionOptions

    @Flag(help: "Add a table of the parts.")
    var profile = false

    func run() throws {
      try onRankZero {
        let profile = profile ? Profile() : nil
        let result = try Benchmarks.evaluate(
          backbone.backboneType, precision: computation.precision,
          classes: (classes.table(.single) ?? .cityscapes).classes.count, size: image.size,
          steps: repetitions.steps,
          workers: WorkerPool(threads: threads.count(for: nil)), profile: profile)
        print(result.line)
        if let profile { print(profile.table(for: result)) }
      }
    }
  }

  struct CompareBoundaries: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "boundary", abstract: "Boundary F-score and boundary IoU of one whole image, on one thread.")

    @Option(in: .streetPixels, help: .value("pixels", "Height of the image."))
    var height = 1024

    @Option(in: .streetPixels, help: .value("pixels", "Width of the image."))
    var width = 2048

    @OptionGroup var repetitions: RepetitionOptions

    func run() throws {
      try onRankZero { print(try Benchmarks.boundary(size: Size(height, width), steps: repetitions.steps).line) }
    }
  }

  struct LoadImages: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "loader", abstract: "A batch, from PNG files to the network's input.")

    @Option(
      name: .kebabOrSnake("data-path"),
      help: .value(
        "folder", "Data set in the Cityscapes layout (default: synthetic streets in a temporary folder)."))
    var dataPath: String?

    @OptionGroup var classes: ClassesOptions

    @Option(name: .kebabOrSnake("batch-size"), in: .count, help: .value("images", "Images per batch."))
    var batchSize = 2

    @OptionGroup var crop: CropOptions
    @OptionGroup var changes: RandomChangeOptions

    @Option(in: .streetPixels, help: .value("pixels", "Height of the synthetic streets."))
    var height = 1024

    @Option(in: .streetPixels, help: .value("pixels", "Width of the synthetic streets."))
    var width = 2048

    @Option(in: .threads, help: .value("number", "Threads that decode and augment."))
    var threads = 1

    @Option(in: .count, help: .value("number", "Timed batches, after one warm-up."))
    var steps = 10

    func validate() throws {
      guard classes.classes == nil || dataPath != nil else {
        throw ValidationError("--classes needs --data-path; synthetic streets have the classes of Cityscapes")
      }
    }

    func run() throws {
      try onRankZero {
        let result = try Benchmarks.loader(
          dataPath: dataPath, table: classes.table(.single) ?? .cityscapes, batchSize: batchSize, crop: crop.size,
          image: Size(height, width), options: changes.options, steps: steps, threads: threads)
        print(result.line)
      }
    }
  }

  struct SaveCheckpoint: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "checkpoint", abstract: "What a checkpoint costs a training: waiting, writing, a slower step.")

    @OptionGroup var backbone: BackboneOptions
    @OptionGroup var computation: PrecisionOptions
    @OptionGroup var crop: CropOptions

    @Option(name: .kebabOrSnake("batch-size"), in: .count, help: .value("images", "Images per step, over all ranks."))
    var batchSize = 2

    @Option(
      name: .kebabOrSnake("save-path"), help: .value("folder", "Disk to write to; nothing stays there."))
    var savePath = "."

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var repetitions: RepetitionOptions

    func run() throws {
      let communicator = try Communicator.initialize()
      var options = TrainingOptions()
      options.batchSize = batchSize
      try options.validate(ranks: communicator.size)
      communicator.setAffinity()
      let result = try Benchmarks.checkpoint(
        backbone.backboneType, precision: computation.precision, batchSize: batchSize, size: crop.size,
        steps: repetitions.steps, folder: savePath,
        communicator: communicator, workers: WorkerPool(threads: threads.count(for: communicator)))
      if communicator.rank == 0 { print(result.line) }
      communicator.finalize()
    }
  }

  struct WriteEvents: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tensorboard", abstract: "What event files for TensorBoard cost a step: seconds and bytes.")

    @Option(
      name: .kebabOrSnake("save-path"), help: .value("folder", "Disk to write to; nothing stays there."))
    var savePath = "."

    @OptionGroup var repetitions: RepetitionOptions

    func run() throws {
      try onRankZero {
        print(try Benchmarks.tensorBoard(repetitions: repetitions.steps, folder: savePath).line)
      }
    }
  }

  struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "allreduce",
      abstract: "The all-reduce of an array, and plain MPI_Allreduce in turn; under mpirun.")

    @Option(in: 4...1 << 34, help: .value("bytes", "Size of the array of floats."))
    var bytes = 25 << 20

    @OptionGroup var exchange: ReduceOptions

    @Option(in: .count, help: .value("number", "Timed repetitions, after one warm-up."))
    var steps = 10

    func run() throws {
      let communicator = try Communicator.initialize()
      let result = Benchmarks.allReduce(
        bytes: bytes, reduce: exchange.reduce, steps: steps, communicator: communicator)
      if communicator.rank == 0 { print(result.line) }
      communicator.finalize()
    }
  }
}
