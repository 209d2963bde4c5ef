import ArgumentParser
import Distributed
import GatedSCNN
import Machine
import Tensors
import Training

/// The defaults of options that the trainer has too.
let defaults = TrainingOptions()

struct DataOptions: ParsableArguments {
  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value("folder", "Data set with leftImg8bit/ and gtFine/ in the Cityscapes layout."))
  var dataPath = defaults.dataPath
}

struct PreparedOptions: ParsableArguments {
  @Option(
    help: .value(
      "folder",
      "Folder of the maps made from images and labels (default: DATA/prepared, or a cache folder if that cannot be written)."
    ))
  var prepared: String?
}

struct BackboneOptions: ParsableArguments {
  @Option(name: .kebabOrSnake("backbone-type"), help: .value("name", "Backbone of the network."))
  var backboneType = defaults.backbone
}

struct ModelOptions: ParsableArguments {
  @Option(
    name: .kebabOrSnake("model-weight"),
    help: .value(
      "file", "Model: a .safetensors file, of a checkpoint as well, or a .pth file; its backbone is detected."))
  var modelWeight: String
}

struct CropOptions: ParsableArguments {
  @Option(name: .kebabOrSnake("crop-h"), in: .pixels, help: .value("pixels", "Height of a training crop."))
  var cropH = defaults.cropHeight

  @Option(name: .kebabOrSnake("crop-w"), in: .pixels, help: .value("pixels", "Width of a training crop."))
  var cropW = defaults.cropWidth

  var size: Size { Size(cropH, cropW) }
}

struct ImageSizeOptions: ParsableArguments {
  @Option(in: .pixels, help: .value("pixels", "Height of the images."))
  var height = 1024

  @Option(in: .pixels, help: .value("pixels", "Width of the images."))
  var width = 2048

  var size: Size { Size(height, width) }
}

struct ThreadOptions: ParsableArguments {
  @Option(in: .threads, help: .value("number", "Compute threads of each rank (default: one for each of its cores)."))
  var threads: Int?

  /// The compute threads of this rank: those asked for, otherwise one for each of its cores. Collective.
  ///
  /// - Parameter communicator: `nil` for a process that works alone.
  func count(for communicator: Communicator?) -> Int {
    threads ?? communicator?.defaultThreads() ?? ProcessLayout.singleProcess.defaultThreads()
  }
}

struct RepetitionOptions: ParsableArguments {
  @Option(in: .count, help: .value("number", "Timed repetitions, after one warm-up."))
  var steps = 3
}

/// Runs `body` on rank 0, for work that several ranks cannot share; under `mpirun` the other ranks wait.
func onRankZero(_ body: () throws -> Void) throws {
  let communicator = try Communicator.initialize()
  if communicator.rank == 0 { try body() }
  communicator.finalize()
}
