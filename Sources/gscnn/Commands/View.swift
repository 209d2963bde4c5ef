import ArgumentParser
import Cityscapes
import Distributed
import Foundation
import Images
import Inference
import System
import Tensors

struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "view",
    abstract: "Draws image, ground truth and prediction side by side in the colors of the classes.",
    discussion: "The ground truth is left out if there is none, and for the test split, whose labels are empty.")

  @OptionGroup var data: DataOptions
  @OptionGroup var classes: ClassesOptions
  @OptionGroup var weights: ModelOptions
  @OptionGroup var computation: PrecisionOptions

  @Option(
    name: .kebabOrSnake("input-pic"),
    help: .value(
      "image",
      "Image below leftImg8bit/, for example test/berlin/berlin_000000_000019_leftImg8bit.png, the same below another data set's folder, or the path of any PNG or JPEG."
    ))
  var inputPic: String

  @Option(help: .value("file", "File to write (default: the image's name with _result.png, in the current folder)."))
  var output: String?

  @Option(in: .pixels, help: .value("pixels", "Width of each panel (default: that of the image)."))
  var width: Int?

  @Flag(help: "Add titles, and a legend: the classes that occur, their colors and shares.")
  var legend = false

  @Flag(help: "Add a panel with the colors of the prediction over the image, half and half.")
  var overlay = false

  @Flag(
    help: "Add a panel with the errors: red where the prediction is wrong, dark where the ground truth has no class.")
  var errors = false

  @OptionGroup var prediction: PredictionOptions
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    try onRankZero {
      let workers = WorkerPool(threads: threads.count(for: nil))
      let table = try classes.table(of: weights, .single)
      let root = CityscapesDirectory(root: data.dataPath).root
      let path = try PredictionRenderer.find(inputPic, in: root, table)
      try OutputPath.require(
        "--output", output, otherThan: [path, weights.modelWeight, classes.classes].compactMap(\.self),
        dataPath: data.dataPath, table)
      let model = try ProgressLine.shared.during("loading weights") {
        try ModelLoader.read(weights.modelWeight, table, precision: computation.precision)
      }
      let result = try ProgressLine.shared.during("predicting") {
        try PredictionRenderer(model, table, prediction.options, workers: workers).render(path, in: root, options)
      }
      let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      let output = output ?? name + "_result.png"
      try PNG.write(result, to: output)
      print(output)
    }
  }

  private var options: ViewOptions {
    var options = ViewOptions()
    options.width = width
    options.hasLegend = legend
    options.hasOverlay = overlay
    options.hasErrors = errors
    return options
  }
}
