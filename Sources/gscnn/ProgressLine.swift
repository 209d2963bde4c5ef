import Distributed
import System

/// How far a command is, on the last line of rank 0's terminal; nothing elsewhere.
struct ProgressLine {
  private let isShown: Bool

  init(_ communicator: Communicator) { isShown = communicator.rank == 0 && StandardError.isTerminal }

  func show(_ text: String) {
    if isShown { StandardError.write("\(StandardError.clearLine)  \(text)") }
  }

  func clear() {
    if isShown { StandardError.write(StandardError.clearLine) }
  }
}
