import Foundation
import Kernels
import Training

/// The instruction set that the user asks for by a variable of the environment, instead of the widest there is.
enum Processor {
  /// Refuses what is not known or not here, before the arithmetic would stop with an illegal instruction.
  static func check() throws {
    let variable = InstructionSet.variable
    guard let name = ProcessInfo.processInfo.environment[variable] else { return }
    let supported = InstructionSet.supported.map(\.rawValue)
    guard !supported.contains(name) else { return }
    let known = InstructionSet(rawValue: name) != nil
    throw OptionError(
      variable, name,
      "\(known ? "this processor has no such instructions" : "there is no such instruction set"); "
        + "give one of \(supported.joined(separator: ", ")), or leave the variable out")
  }
}
