import ArgumentParser
import Distributed
import GatedSCNN
import Layers
import System
import Tensors
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Times a piece of the program on made-up data and prints one line of JSON.",
    subcommands: [Step.self, EvaluateImage.self, LoadImages.self, AllReduce.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "A training step; alone or under mpirun.")

    @Option(name: .kebabOrSnake("backbone-type"), help: .value("name", "Depth of the backbone."))
    var backboneType = Backbone.resnet50

    @Option(name: .kebabOrSnake("batch-size"), help: .value("images", "Images of a step, over all ranks."))
    var batchSize = 2

    @Option(name: .kebabOrSnake("crop-h"), help: .value("pixels", "Height of the images."))
    var cropH = 512

    @Option(name: .kebabOrSnake("crop-w"), help: .value("pixels", "Width of the images."))
    var cropW = 512

    @OptionGroup var machine: Machine

    @Flag(help: "Add tables of the parts of the step and of what it keeps for the backward pass.")
    var profile = false

    @Option(
      help: .value("file", "Write a trace of the steps for ui.perfetto.dev or chrome://tracing, a process a rank."))
    var timeline: String?

    func run() throws {
      let communicator = try Communicator.initialize()
      var options = TrainingOptions()
      options.batchSize = batchSize
      options.cropHeight = cropH
      options.cropWidth = cropW
      try options.validate(ranks: communicator.size)
      try machine.check()
      let timelineFile = try timeline.map { try TimelineFile($0, communicator: communicator) }
      let events = timelineFile?.timeline()
      let profile = profile ? Profile() : nil
      let result = Benchmarks.step(
        backboneType, batchSize: batchSize, size: Size(cropH, cropW), steps: machine.steps, communicator: communicator,
        workers: WorkerPool(threads: try computeThreads(machine.threads, communicator)), profile: profile,
        timeline: events)
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

    @Option(name: .kebabOrSnake("backbone-type"), help: .value("name", "Depth of the backbone."))
    var backboneType = Backbone.resnet50

    @OptionGroup var image: ImageSize
    @OptionGroup var machine: Machine

    @Flag(help: "Add a table of the parts.")
    var profile = false

    func run() throws {
      try image.check()
      try machine.check()
      try onRankZero {
        let profile = profile ? Profile() : nil
        let result = Benchmarks.evaluate(
          backboneType, size: image.size, steps: machine.steps,
          workers: WorkerPool(threads: try computeThreads(machine.threads, nil)), profile: profile)
        print(result.line)
        if let profile { print(profile.table(for: result)) }
      }
    }
  }

  struct LoadImages: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "loader", abstract: "A batch from PNG files to the network's input.")

    @Option(
      name: .kebabOrSnake("data-path"),
      help: .value("folder", "Images in Cityscapes' layout (default: synthetic streets in a temporary folder)."))
    var dataPath: String?

    @Option(name: .kebabOrSnake("batch-size"), help: .value("images", "Images of a batch."))
    var batchSize = 2

    @Option(name: .kebabOrSnake("crop-h"), help: .value("pixels", "Height of a crop."))
    var cropH = 512

    @Option(name: .kebabOrSnake("crop-w"), help: .value("pixels", "Width of a crop."))
    var cropW = 512

    @OptionGroup var image: ImageSize

    @Option(help: .value("number", "Threads that decode and augment."))
    var threads = 1

    @Option(help: .value("number", "Batches that are timed, after one that is not."))
    var steps = 10

    func run() throws {
      try check(["--crop-h": cropH, "--crop-w": cropW], 1...16384)
      // Smaller images have no street on them.
      try check(["--height": image.height, "--width": image.width], 32...16384)
      try check(["--threads": threads], 1...1024)
      try check(["--batch-size": batchSize, "--steps": steps], 1...1_000_000)
      try onRankZero {
        let result = try Benchmarks.loader(
          dataPath: dataPath, batchSize: batchSize, crop: Size(cropH, cropW), image: image.size, steps: steps,
          threads: threads)
        print(result.line)
      }
    }
  }

  struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "allreduce",
      abstract: "The sum of an array over the ranks, and plain MPI_Allreduce in turn; under mpirun.")

    @Option(help: .value("bytes", "Size of the array."))
    var bytes = 25 << 20

    @Option(help: .value("number", "Repetitions that are timed, after one that is not."))
    var steps = 10

    func run() throws {
      try check(["--bytes": bytes], 4...1 << 34)
      try check(["--steps": steps], 1...1_000_000)
      let communicator = try Communicator.initialize()
      let result = Benchmarks.allReduce(bytes: bytes, steps: steps, communicator: communicator)
      if communicator.rank == 0 { print(result.line) }
      communicator.finalize()
    }
  }
}

extension Bench {
  struct Machine: ParsableArguments {
    @Option(help: .value("number", "Compute threads of each rank (default: the cores that are the rank's own)."))
    var threads: Int?

    @Option(help: .value("number", "Repetitions that are timed, after one that is not."))
    var steps = 3

    func check() throws { try gscnn.check(["--steps": steps], 1...1_000_000) }
  }

  struct ImageSize: ParsableArguments {
    @Option(help: .value("pixels", "Height of the images."))
    var height = 1024

    @Option(help: .value("pixels", "Width of the images."))
    var width = 2048

    var size: Size { Size(height, width) }

    func check() throws { try gscnn.check(["--height": height, "--width": width], 1...16384) }
  }
}
