import COpenMPI
import Glibc

/// How a thread waits for messages. MPI notices them only when it is asked.
package enum Patience: Sendable {
  /// Asks again and again, and lets other threads go first: for the thread that computes, which has nothing else to do.
  case eager
  /// Asks a few times and then sleeps between one question and the next, up to so many microseconds: for a thread
  /// beside those that compute. What arrives meanwhile waits in the buffers of the system.
  case resting(most: UInt32)

  /// Questions before the first pause: the answer to most is there by then, where the other rank is as far.
  fileprivate var questions: Int {
    switch self {
    case .eager: 1000
    case .resting: 100
    }
  }
}

extension Communicator {
  /// Returns when a message has arrived or is on its way.
  func wait(for request: inout MPI_Request?, _ patience: Patience, _ doing: StaticString) {
    var asked = 0
    var microseconds: UInt32 = 16
    while true {
      var done: Int32 = 0
      check(MPI_Test(&request, &done, mpiIgnoreStatus()), doing)
      if done != 0 { return }
      asked += 1
      guard asked > patience.questions else { continue }
      switch patience {
      case .eager: sched_yield()
      case .resting(let most):
        usleep(microseconds)
        microseconds = min(microseconds * 2, most)
      }
    }
  }
}
