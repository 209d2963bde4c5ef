import COpenMPI
import Glibc

/// How a thread waits for messages, which MPI notices only when it is asked.
///
/// It asks a while without a pause, for the answer is there soon where the other rank is as far. Then it leaves its core to
/// others: what arrives meanwhile waits in the buffers of the system.
package enum WaitPolicy: Sendable {
  /// For the thread that computes, which has nothing else to do: sleeps only where it has waited for long.
  case spin
  /// For a thread beside those that compute, or where ranks are more than cores: sleeps between one question and the
  /// next, the longer the longer it has waited, up to so many microseconds.
  case backoff(most: UInt32)

  /// Questions without a pause: for some 4 ms, or 20 µs.
  fileprivate var spinCount: Int {
    switch self {
    case .spin: 20_000
    case .backoff: 100
    }
  }

  /// Microseconds between the questions of one who has waited for long.
  fileprivate var maxBackoff: UInt32 {
    switch self {
    case .spin: 128
    case .backoff(let most): most
    }
  }
}

extension Communicator {
  /// For the thread that computes. Ranks that share cores wait for each other to get one.
  package var waitPolicy: WaitPolicy { localSize > sysconf(Int32(_SC_NPROCESSORS_ONLN)) ? .backoff(most: 128) : .spin }

  /// Returns when a message has arrived or is on its way.
  func wait(for request: inout MPI_Request?, _ waitPolicy: WaitPolicy, _ doing: StaticString) {
    var asked = 0
    var pause: UInt32 = 16
    while true {
      var done: Int32 = 0
      check(MPI_Test(&request, &done, mpiIgnoreStatus()), doing)
      if done != 0 { return }
      asked += 1
      guard asked > waitPolicy.spinCount else { continue }
      usleep(pause)
      pause = min(pause * 2, waitPolicy.maxBackoff)
    }
  }
}
