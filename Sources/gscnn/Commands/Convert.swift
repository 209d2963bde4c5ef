import ArgumentParser
import System
import Tensors
import Training
import Weights

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Writes the weights of a PyTorch or Paddle file as safetensors.",
    discussion: """
      Names of mmsegmentation, mmpretrain and Paddle become timm's; prefixes and wrappers are removed. The numbers and \
      their types stay.
      """)

  @Argument(help: "The file to read: .pth, .pt, .pdparams or .safetensors.")
  var input: String

  @Argument(help: "The file to write, NAME.safetensors.")
  var output: String

  @Option(help: .value("kind", "Normalization of images that the weights were trained with, to be stored with them."))
  var normalize: Normalization?

  func run() throws {
    guard output.hasSuffix(".safetensors") else {
      throw OptionError("OUTPUT", output, "only safetensors is written; give a name that ends in .safetensors")
    }
    try OutputPath.require("OUTPUT", output, otherThan: [input])
    try onRankZero {
      let written = try ProgressLine.shared.during("converting") {
        try ModelFile.convert(StateDict(contentsOf: input), to: output, normalization: normalize)
      }
      print("\(output): \(written.count) tensors" + (written.naming.map { ", named in \(input) as by \($0)" } ?? ""))
    }
  }
}
