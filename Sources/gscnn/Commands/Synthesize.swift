import ArgumentParser
import Cityscapes
import Distributed
import Machine
import SyntheticStreets
import Tensors

struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Makes street-like images with exact labels in Cityscapes' layout, so that everything runs without the licensed data."
  )

  @Option(name: .kebabOrSnake("data-path"), help: .value("folder", "Folder to write to."))
  var dataPath = "data"

  @Option(help: .value("images", "Images of the training split."))
  var train = 16

  @Option(help: .value("images", "Images of the validation split."))
  var val = 4

  @Option(help: .value("images", "Images of the test split."))
  var test = 4

  @Option(help: .value("pixels", "Height of the images, in pixels."))
  var height = 256

  @Option(help: .value("pixels", "Width of the images, in pixels."))
  var width = 512

  @Option(help: .value("number", "Chooses the images; the same seed gives the same."))
  var seed: UInt64 = 0

  func run() throws {
    try check(["--train": train, "--val": val, "--test": test], 0...1_000_000)
    try check(["--height": height, "--width": width], 32...16384)
    try onRankZero {
      let streets = SyntheticStreets(train: train, val: val, test: test, size: Size(height, width), seed: seed)
      try streets.write(to: dataPath, threads: ProcessLayout.singleProcess.defaultThreads())
      print("\(dataPath): \(train + val + test) images of \(width)×\(height)")
    }
  }
}
