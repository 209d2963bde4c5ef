import ArgumentParser
import Cityscapes
import Distributed
import Machine
import SyntheticStreets
import Tensors

struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract:
      "Makes street-like images with exact labels in the Cityscapes layout, to run everything without the licensed data."
  )

  @OptionGroup var data: DataOptions

  @Option(in: 0...1_000_000, help: .value("images", "Images of the training split."))
  var train = 16

  @Option(in: 0...1_000_000, help: .value("images", "Images of the validation split."))
  var val = 4

  @Option(in: 0...1_000_000, help: .value("images", "Images of the test split."))
  var test = 4

  @Option(in: .streetPixels, help: .value("pixels", "Height of the images."))
  var height = 256

  @Option(in: .streetPixels, help: .value("pixels", "Width of the images."))
  var width = 512

  @Option(parsing: .unconditional, help: .value("number", "Random seed of the images."))
  var seed: UInt64 = 0

  func run() throws {
    try onRankZero {
      let streets = SyntheticStreets(train: train, val: val, test: test, size: Size(height, width), seed: seed)
      try streets.write(to: data.dataPath, threads: ProcessLayout.singleProcess.defaultThreads())
      print("\(data.dataPath): \(train + val + test) images of \(width)×\(height)")
    }
  }
}
