import ArgumentParser
import Cityscapes
import Distributed
import Images
import Inference
import ONNX
import System
import Weights

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes a model as ONNX, for ONNX Runtime, TensorRT, OpenVINO and others.",
    discussion: """
      Opset 17, single precision, batch norm folded into the convolutions.
      Inputs: image [batch, 3, height, width], normalized RGB; canny [batch, 1, height, width], 0 or 1.
      Outputs: logits [batch, classes, height, width]; edges [batch, 1, height, width], from 0 to 1.
      Sizes that are not given are known only when the model runs, and may differ from run to run.
      """)

  @OptionGroup var weights: ModelOptions
  @OptionGroup var classes: ClassesOptions

  @Argument(help: .value("file.onnx", "File to write."))
  var output: String

  @Option(in: .pixels, help: .value("pixels", "Fixed height of the images (default: any)."))
  var height: Int?

  @Option(in: .pixels, help: .value("pixels", "Fixed width of the images (default: any)."))
  var width: Int?

  @Option(
    name: .kebabOrSnake("batch-size"), in: .count, help: .value("images", "Fixed number of images (default: any)."))
  var batchSize: Int?

  func run() throws {
    // A mistaken order of the arguments must not replace the weights.
    guard output.lowercased().hasSuffix(".onnx") else {
      throw UsageError("\(output): is not the name of an ONNX file; give one that ends in .onnx")
    }
    try onRankZero {
      let source = weights.modelWeight
      try OutputPath.require("FILE", output, otherThan: [source])
      let table = try classes.table(of: weights, .single)
      let network = try ProgressLine.shared.during("loading weights") { try ModelLoader.read(source, table) }
      let export = ONNXExport(
        classes: table.classes.map { ($0.name, [$0.color.red, $0.color.green, $0.color.blue]) },
        mean: network.normalization.mean, std: network.normalization.deviation,
        canny: (Canny.low, Canny.high), identity: try identity(of: source),
        producer: ("gscnn", Program.version))
      try ProgressLine.shared.during("exporting") {
        let model = export.model(
          of: network, dimensions: ONNXDimensions(batch: batchSize, height: height, width: width),
          source: source)
        try model.write(to: output)
      }
      print(output)
    }
  }

  /// What the file of the weights says about them, and the file itself.
  private func identity(of source: String) throws -> [String: String] {
    var identity = try StateDict(contentsOf: source).metadata
    identity["format"] = nil
    identity["weights"] = FileSystem.name(of: source)
    identity["weights_xxh64"] = try XXH64.hashOfFile(source).zeroPadded(to: 16, radix: 16)
    return identity
  }
}
