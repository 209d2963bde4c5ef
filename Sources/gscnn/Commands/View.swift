import ArgumentParser
import Cityscapes
import Foundation
import Pictures
import Tensors
import Training

struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draws picture, ground truth and prediction side by side in Cityscapes' colours.")

  @Option(
    name: [.customLong("data-path"), .customLong("data_path")],
    help: "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout.")
  var dataPath = "data"

  @Option(
    name: [.customLong("model-weight"), .customLong("model_weight")], help: "Model or checkpoint, a safetensors file.")
  var modelWeight: String

  @Option(
    name: [.customLong("input-pic"), .customLong("input_pic")],
    help: "Picture below leftImg8bit/, as test/berlin/berlin_000000_000019_leftImg8bit.png, or the path of any RGB PNG."
  )
  var inputPic: String

  @Option(help: "File to write (default: the picture's name with _result.png, in this folder).")
  var output: String?

  @Option(help: "Compute threads (default: all cores).")
  var threads: Int?

  func run() throws {
    let workers = WorkerPool(threads: try computeThreads(threads, nil))
    let model = try Models.read(modelWeight)
    let path = try Viewer.find(inputPic, in: dataPath)
    let result = try Viewer(model, workers: workers).draw(path)
    let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let output = output ?? name + "_result.png"
    try PNG.write(result, to: output)
    print(output)
  }
}
