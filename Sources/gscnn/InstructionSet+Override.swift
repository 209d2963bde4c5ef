import Foundation
import Tensors
import Training

extension InstructionSet {
  /// Checks the environment variable that selects an instruction set in place of the default: it must be known, and this
  /// processor must support it. Otherwise the arithmetic would end in an illegal instruction.
  static func validateOverride() throws {
    guard let name = ProcessInfo.processInfo.environment[variable] else { return }
    let supported = supported.map(\.rawValue)
    guard !supported.contains(name) else { return }
    let known = InstructionSet(rawValue: name) != nil
    throw OptionError(
      variable, name,
      "\(known ? "this processor has no such instructions" : "there is no such instruction set"); "
        + "give one of \(supported.joined(separator: ", ")), or leave the variable out")
  }
}
