import ArgumentParser
import Foundation
import Weights

struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Tells what a checkpoint or weight file holds.")

  @Argument(help: "A safetensors file, or the folder of a checkpoint.")
  var file: String

  func run() throws {
    print(try FileDescription(of: file).text)
  }
}
