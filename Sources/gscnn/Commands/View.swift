import ArgumentParser
import Foundation
import Pictures
import Tensors
import Training

struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draws picture, ground truth and prediction side by side in Cityscapes' colours.",
    discussion: "The ground truth is left out where there is none, and for the test split, where it says nothing.")

  @Option(
    name: .eitherWay("data-path"),
    help: .value("folder", "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout."))
  var dataPath = "data"

  @Option(
    name: .eitherWay("model-weight"),
    help: .value("file", "Model or checkpoint, a safetensors file; its trunk is recognised."))
  var modelWeight: String

  @Option(
    name: .eitherWay("input-pic"),
    help: .value(
      "picture",
      "Picture below leftImg8bit/, as test/berlin/berlin_000000_000019_leftImg8bit.png, or the path of any RGB PNG."))
  var inputPic: String

  @Option(help: .value("file", "File to write (default: the picture's name with _result.png, in the current folder)."))
  var output: String?

  @Option(help: .value("number", "Compute threads (default: all cores)."))
  var threads: Int?

  func run() throws {
    try alone {
      let workers = WorkerPool(threads: try computeThreads(threads, nil))
      let path = try Viewer.find(inputPic, in: dataPath)
      let result = try Viewer(Models.read(modelWeight), workers: workers).draw(path)
      let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      let output = output ?? name + "_result.png"
      try PNG.write(result, to: output)
      print(output)
    }
  }
}
