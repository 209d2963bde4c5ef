import ArgumentParser
import Cityscapes
import Distributed
import GatedSCNN
import Machine
import Training

extension NameSpecification {
  /// `--crop-h`, and `--crop_h` as the original implementation spells it.
  static func kebabOrSnake(_ name: String) -> NameSpecification {
    [.customLong(name), .customLong(name.split(separator: "-").joined(separator: "_"))]
  }
}

extension ArgumentHelp {
  /// - Parameter name: what stands for the value in the help.
  static func value(_ name: String, _ text: String) -> ArgumentHelp { ArgumentHelp(text, valueName: name) }
}

extension Backbone: ExpressibleByArgument {}
extension Split: ExpressibleByArgument {}
extension AugmentationMode: ExpressibleByArgument {}
extension TrainingOptions.BatchNormScope: ExpressibleByArgument {}
extension TrainingOptions.ValidationRanks: ExpressibleByArgument {}

/// Refuses numbers that are out of range.
func check(_ numbers: KeyValuePairs<String, Int>, _ range: ClosedRange<Int>) throws {
  for (option, value) in numbers where !range.contains(value) {
    throw OptionError(option, value, "give a number from \(range.lowerBound) to \(range.upperBound)")
  }
}

/// The compute threads of this rank: those asked for, else the cores that are its own. Every rank takes part, and is
/// bound to its place first.
func computeThreads(_ asked: Int?, _ communicator: Communicator?) throws -> Int {
  communicator?.setAffinity()
  guard let asked else { return communicator?.defaultThreads() ?? ProcessLayout.singleProcess.defaultThreads() }
  try check(["--threads": asked], 1...1024)
  return asked
}

/// Does what is no work for several ranks: under `mpirun` rank 0 does it, and the others wait.
func onRankZero(_ body: () throws -> Void) throws {
  let communicator = try Communicator.initialize()
  if communicator.rank == 0 { try body() }
  communicator.finalize()
}
