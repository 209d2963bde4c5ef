import ArgumentParser
import Distributed
import Foundation
import GatedSCNN
import Layers
import Tensors
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Times a piece of the program on made-up data and prints one line of JSON.",
    subcommands: [Step.self, EvaluatePicture.self, LoadPictures.self, AllReduce.self])

  struct Machine: ParsableArguments {
    @Option(help: "Compute threads of each rank (default: the cores that are the rank's own).")
    var threads: Int?

    @Option(help: "Repetitions that are timed, after one that is not.")
    var steps = 3

    func validate() throws {
      guard (1...1_000_000).contains(steps) else {
        throw OptionError("--steps", "is \(steps); give a number from 1 up")
      }
    }
  }

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "A training step; alone or under mpirun.")
    @OptionGroup var machine: Machine

    @Option(name: [.customLong("backbone-type"), .customLong("backbone_type")], help: "resnet50 or resnet101.")
    var backboneType = Backbone.resnet50

    @Option(name: [.customLong("batch-size"), .customLong("batch_size")], help: "Pictures of a step, over all ranks.")
    var batchSize = 2

    @Option(name: [.customLong("crop-h"), .customLong("crop_h")], help: "Height, in pixels.")
    var cropH = 512

    @Option(name: [.customLong("crop-w"), .customLong("crop_w")], help: "Width, in pixels.")
    var cropW = 512

    @Flag(help: "Add a table of the parts of the step.")
    var profile = false

    func run() throws {
      let communicator = try Communicator.start()
      var options = TrainingOptions()
      options.batchSize = batchSize
      options.cropHeight = cropH
      options.cropWidth = cropW
      try options.validate(ranks: communicator.size)
      let profile = profile ? Profile() : nil
      let result = Benchmarks.step(
        backboneType, batchSize: batchSize, size: Size(cropH, cropW), steps: machine.steps, communicator: communicator,
        workers: WorkerPool(threads: try computeThreads(machine.threads, communicator)), profile: profile)
      if communicator.rank == 0 {
        print(result.line)
        if let profile { print(profile.table(for: result)) }
      }
      communicator.finish()
    }
  }

  struct EvaluatePicture: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "evaluate", abstract: "The prediction of one whole picture.")
    @OptionGroup var machine: Machine

    @Option(name: [.customLong("backbone-type"), .customLong("backbone_type")], help: "resnet50 or resnet101.")
    var backboneType = Backbone.resnet50

    @Option(help: "Height, in pixels.")
    var height = 1024

    @Option(help: "Width, in pixels.")
    var width = 2048

    @Flag(help: "Add a table of the parts.")
    var profile = false

    func run() throws {
      let size = try checkedSize(height, width, "--height", "--width")
      let profile = profile ? Profile() : nil
      let result = Benchmarks.evaluate(
        backboneType, size: size, steps: machine.steps,
        workers: WorkerPool(threads: try computeThreads(machine.threads, nil)), profile: profile)
      print(result.line)
      if let profile { print(profile.table(for: result)) }
    }
  }

  struct LoadPictures: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "loader", abstract: "A batch from PNG files to the network's input, on one thread.")

    @Option(name: [.customLong("batch-size"), .customLong("batch_size")], help: "Pictures of a batch.")
    var batchSize = 2

    @Option(name: [.customLong("crop-h"), .customLong("crop_h")], help: "Height of a crop, in pixels.")
    var cropH = 512

    @Option(name: [.customLong("crop-w"), .customLong("crop_w")], help: "Width of a crop, in pixels.")
    var cropW = 512

    @Option(help: "Height of the files, in pixels.")
    var height = 1024

    @Option(help: "Width of the files, in pixels.")
    var width = 2048

    @Option(help: "Batches that are timed, after one that is not.")
    var steps = 10

    func run() throws {
      guard batchSize > 0, steps > 0 else {
        throw OptionError(batchSize > 0 ? "--steps" : "--batch-size", "give a number from 1 up")
      }
      print(
        try Benchmarks.loader(
          batchSize: batchSize, crop: checkedSize(cropH, cropW, "--crop-h", "--crop-w"),
          picture: checkedSize(height, width, "--height", "--width"), steps: steps
        ).line)
    }
  }

  struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "allreduce", abstract: "The sum of an array over the ranks; under mpirun.")

    @Option(help: "Size of the array, in bytes.")
    var bytes = 25 << 20

    @Option(help: "Repetitions that are timed, after one that is not.")
    var steps = 10

    func run() throws {
      guard bytes >= 4, steps > 0 else {
        throw OptionError(steps > 0 ? "--bytes" : "--steps", "give a larger number")
      }
      let communicator = try Communicator.start()
      let result = Benchmarks.allReduce(bytes: bytes, steps: steps, communicator: communicator)
      if communicator.rank == 0 { print(result.line) }
      communicator.finish()
    }
  }
}

/// A size that a picture may have.
private func checkedSize(_ height: Int, _ width: Int, _ heightOption: String, _ widthOption: String) throws -> Size {
  for (option, value) in [(heightOption, height), (widthOption, width)] where !(1...16384).contains(value) {
    throw OptionError(option, "is \(value); give a number of pixels from 1 to 16384")
  }
  return Size(height, width)
}
