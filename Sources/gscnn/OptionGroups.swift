import ArgumentParser
import Distributed
import GatedSCNN
import Inference
import Machine
import Microkernels
import System
import Tensors
import Training

/// The defaults of options that the trainer has too.
let defaults = TrainingOptions()

struct DataOptions: ParsableArguments {
  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value(
      "folder", "Data set with leftImg8bit/ and gtFine/ in the Cityscapes layout, or as the file of --classes says."))
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

struct PrecisionOptions: ParsableArguments {
  @Option(
    help: .value(
      "name", "Precision of activations and products: float32, or bfloat16, which halves the memory of activations."))
  var precision = Precision.float32
}

struct ReduceOptions: ParsableArguments {
  @Option(
    help: .value(
      "name",
      "Precision of gradients that ranks send each other: float32, or bfloat16, which halves the bytes of slow links."))
  var reduce = Precision.float32
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

/// How images are predicted.
struct PredictionOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .value(
      "numbers",
      "Predict the image at these scales, separated by commas, and average the class probabilities (default: 1)."),
    transform: Scales.init(argument:))
  var scales = Scales(values: [1])

  @Flag(help: "Average with the prediction of the mirrored image, at each scale.")
  var flip = false

  @Option(
    help: .value(
      "widthxheight",
      "Predict in windows of this size, for example 1024x1024, which bounds the memory (default: the whole image)."),
    transform: parseWindow)
  var window: Size?

  @Option(
    in: 0...16383,
    help: .value("pixels", "Pixels by which adjacent windows overlap (default: a third of the window's shorter side)."))
  var overlap: Int?

  func validate() throws {
    guard let overlap else { return }
    guard let window else {
      throw ValidationError("--overlap needs --window; give --window 1024x1024, or leave it out")
    }
    let side = min(window.height, window.width)
    guard overlap < side else {
      throw ValidationError("--overlap \(overlap) leaves no step between windows; give a number below \(side)")
    }
  }

  var options: InferenceOptions {
    let third = window.map { min($0.height, $0.width) / 3 }
    return InferenceOptions(scales: scales.values, flip: flip, window: window, overlap: overlap ?? third ?? 0)
  }
}

/// Scales of an image.
struct Scales {
  let values: [Double]
}

extension Scales {
  /// Parses text like 0.5,1,2.
  fileprivate init(argument text: String) throws {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    values = words.compactMap { Double($0) }
    guard values.count == words.count, values.count <= 16, Set(values).count == values.count,
      values.allSatisfy({ (0.1...8).contains($0) })
    else { throw ValidationError("give up to 16 different numbers from 0.1 to 8, for example 0.5,1,2") }
  }
}

private func parseWindow(_ text: String) throws -> Size {
  let sides = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
  guard sides.count == 2, sides.allSatisfy({ (16...16384).contains($0) }) else {
    throw ValidationError("give width and height from 16 to 16384, for example 1024x1024")
  }
  return Size(sides[1], sides[0])
}

/// Predictions for the benchmark server.
struct ExportOptions: ParsableArguments {
  @Option(
    help: .value(
      "folder",
      "Write the predictions there as NAME_prediction.png, label ids, ready for the benchmark server, or to a zip archive if the path ends in .zip; on rank 0's host."
    ))
  var export: String?

  @Flag(help: "Write a zip archive of the folder of --export as well, beside it.")
  var zip = false

  func validate() throws {
    if zip, export == nil { throw ValidationError("--zip needs --export; give --export FOLDER, or leave it out") }
    if zip, let export, ["", ".", "..", "/"].contains(FileSystem.name(of: export)) {
      throw ValidationError(
        "--export \(export) has no name for an archive beside it; give a folder's name, or a path that ends in .zip")
    }
  }

  var destination: ExportDestination? { export.map { ExportDestination($0, zip: zip) } }
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
