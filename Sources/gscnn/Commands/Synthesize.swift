import ArgumentParser
import Cityscapes
import Foundation
import Training

struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Makes street-like pictures with exact labels in Cityscapes' layout, so that everything runs without the licensed data."
  )

  @Option(name: [.customLong("data-path"), .customLong("data_path")], help: "Folder to write to.")
  var dataPath = "data"

  @Option(help: "Pictures of the training split.")
  var train = 16

  @Option(help: "Pictures of the validation split.")
  var val = 4

  @Option(help: "Pictures of the test split.")
  var test = 4

  @Option(help: "Height of the pictures, in pixels.")
  var height = 256

  @Option(help: "Width of the pictures, in pixels.")
  var width = 512

  @Option(help: "Chooses the pictures; the same seed gives the same.")
  var seed: UInt64 = 0

  func run() throws {
    for (option, value) in [("--train", train), ("--val", val), ("--test", test)] where !(0...1_000_000).contains(value)
    {
      throw OptionError(option, "is \(value); give a number from 0 to 1000000")
    }
    for (option, value) in [("--height", height), ("--width", width)] where !(32...16384).contains(value) {
      throw OptionError(option, "is \(value); give a number of pixels from 32 to 16384")
    }
    try SyntheticStreets(train: train, val: val, test: test, height: height, width: width, seed: seed).write(
      to: dataPath, threads: ProcessInfo.processInfo.activeProcessorCount)
    print("\(train + val + test) pictures of \(width)×\(height) in \(dataPath)")
  }
}
