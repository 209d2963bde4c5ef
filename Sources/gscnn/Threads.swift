import Distributed
import Training

/// The compute threads of this rank: those asked for, else the cores that are its own.
func computeThreads(_ asked: Int?, _ communicator: Communicator?) throws -> Int {
  if let asked {
    guard (1...1024).contains(asked) else {
      throw OptionError("--threads", "is \(asked); give a number from 1 to 1024")
    }
    return asked
  }
  return ProcessLayout.defaultThreads(communicator)
}
