import COpenMPI
import Glibc

/// How a thread waits for messages, which MPI notices only when it is asked.
///
/// It asks a while without a pause, for the answer is there soon where the other rank is as far. Then it leaves its core to
/// others: what arrives meanwhile waits in the buffers of the system.
package enum Patience: Sendable {
  /// For the thread that computes, which has nothing else to do: sleeps only where it has waited for long.
  case eager
  /// For a thread beside those that compute, or where ranks are more than cores: sleeps between one question and the
  /// next, the longer the longer it has waited, up to so many microseconds.
  case resting(most: UInt32)

  /// Questions without a pause: for some 4 ms, or 20 µs.
  fileprivate var questions: Int {
    switch self {
    case .eager: 20_000
    case .resting: 100
    }
  }

  /// Microseconds between the questions of one who has waited for long.
  fileprivate var longestPause: UInt32 {
    switch self {
    case .eager: 128
    case .resting(let most): most
    }
  }
}

extension Communicator {
  /// For the thread that computes. Ranks that share cores wait for each other to get one.
  package var patience: Patience { localSize > sysconf(Int32(_SC_NPROCESSORS_ONLN)) ? .resting(most: 128) : .eager }

  /// Returns when a message has arrived or is on its way.
  func wait(for request: inout MPI_Request?, _ patience: Patience, _ doing: StaticString) {
    var asked = 0
    var pause: UInt32 = 16
    while true {
      var done: Int32 = 0
      check(MPI_Test(&request, &done, mpiIgnoreStatus()), doing)
      if done != 0 { return }
      asked += 1
      guard asked > patience.questions else { continue }
      usleep(pause)
      pause = min(pause * 2, patience.longestPause)
    }
  }
}
