import ArgumentParser
import Training

struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Describes a checkpoint or a weight file.")

  @Argument(help: "A weight file (.safetensors, .pth, .pdparams), the folder of a checkpoint, or a results folder.")
  var file: String

  @Flag(help: "List every tensor.")
  var tensors = false

  func run() throws {
    try onRankZero { print(try CheckpointInspector.text(of: file, listing: tensors)) }
  }
}
