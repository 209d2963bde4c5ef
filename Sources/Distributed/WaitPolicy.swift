import COpenMPI
import Glibc
import System

/// How a thread waits for an MPI request, which makes progress only inside MPI calls: it polls, first without a pause,
/// then with exponential backoff, which leaves the core to other threads.
package enum WaitPolicy: Sendable {
  /// For a compute thread, which has nothing else to do: polls without a pause for about 4 ms.
  case spin
  /// For a thread that runs beside compute threads, or if ranks outnumber cores: polls without a pause for about 20 µs,
  /// then sleeps up to `most` microseconds between polls.
  case backoff(most: UInt32)

  /// Polls before the first sleep.
  fileprivate var spinCount: Int {
    switch self {
    case .spin: 20_000
    case .backoff: 100
    }
  }

  /// The longest sleep, in microseconds.
  fileprivate var maxBackoff: UInt32 {
    switch self {
    case .spin: 128
    case .backoff(let most): most
    }
  }
}

extension Communicator {
  /// For the compute thread. If ranks outnumber processors they must yield to one another.
  package var waitPolicy: WaitPolicy { localSize > sysconf(Int32(_SC_NPROCESSORS_ONLN)) ? .backoff(most: 128) : .spin }

  /// Returns when a request is complete.
  func wait(for request: inout MPI_Request?, _ waitPolicy: WaitPolicy, _ doing: StaticString) {
    var polls = 0
    var pause: UInt32 = 16
    Activity.waiting {
      while true {
        var done: Int32 = 0
        check(MPI_Test(&request, &done, mpiIgnoreStatus()), doing)
        if done != 0 { return }
        polls += 1
        guard polls > waitPolicy.spinCount else { continue }
        usleep(pause)
        pause = min(pause * 2, waitPolicy.maxBackoff)
      }
    }
  }

  /// A barrier in which ranks sleep instead of polling at full load, for long waits: ranks that wait for rank 0 leave
  /// it their cores. A rank may return up to 4 ms late.
  package func sleepingBarrier() {
    guard size > 1 else { return }
    var request: MPI_Request?
    check(MPI_Ibarrier(handle, &request), "wait for the other ranks")
    wait(for: &request, .backoff(most: 4096), "wait for the other ranks")
  }
}
