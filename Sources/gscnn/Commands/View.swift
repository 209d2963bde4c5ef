import ArgumentParser
import Foundation
import Images
import Tensors
import Training

struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draws image, ground truth and prediction side by side in Cityscapes' colors.",
    discussion: "The ground truth is left out where there is none, and for the test split, where it says nothing.")

  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value("folder", "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout."))
  var dataPath = "data"

  @Option(
    name: .kebabOrSnake("model-weight"),
    help: .value("file", "Model or checkpoint, a safetensors file; its backbone is recognized."))
  var modelWeight: String

  @Option(
    name: .kebabOrSnake("input-pic"),
    help: .value(
      "image",
      "Image below leftImg8bit/, as test/berlin/berlin_000000_000019_leftImg8bit.png, or the path of any RGB PNG."))
  var inputPic: String

  @Option(help: .value("file", "File to write (default: the image's name with _result.png, in the current folder)."))
  var output: String?

  @Option(help: .value("number", "Compute threads (default: all cores)."))
  var threads: Int?

  func run() throws {
    try onRankZero {
      let workers = WorkerPool(threads: try computeThreads(threads, nil))
      let path = try PredictionRenderer.find(inputPic, in: dataPath)
      let result = try PredictionRenderer(ModelLoader.read(modelWeight), workers: workers).draw(path)
      let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      let output = output ?? name + "_result.png"
      try PNG.write(result, to: output)
      print(output)
    }
  }
}
