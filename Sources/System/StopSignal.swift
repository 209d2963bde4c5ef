import Glibc
import Synchronization

/// A request of the scheduler or the user to stop, received as a POSIX signal. Process-wide state.
///
/// SIGTERM, SIGUSR1, SIGUSR2 and SIGXCPU, which schedulers send before they reclaim a machine, and SIGHUP, which comes
/// when a terminal or an ssh connection closes, request exit status 75 (`EX_TEMPFAIL`): start again. SIGHUP stays ignored
/// if it was so at the start (`nohup`). SIGINT (Ctrl-C) requests 130; a second one ends the process at once. `mpirun` forwards SIGUSR1 to every
/// rank, but kills the ranks one second after SIGTERM or SIGINT: launch scripts send it SIGUSR1 instead.
package enum StopSignal {
  /// Exit status of a run that was saved and can be resumed.
  package static var temporaryFailure: Int32 { EX_TEMPFAIL }
  /// Exit status of a run that the user interrupted: 128 + SIGINT.
  package static var interrupted: Int32 { 128 + SIGINT }

  /// The exit status that the first signal since `listen()` requests; nil if there was none.
  package static var received: Int32? {
    let status = firstStatus.load(ordering: .relaxed)
    return status == 0 ? nil : status
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    // Functions cannot be compared, and the handler SIG_IGN is the number 1.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  /// Installs the handlers for this process and forgets signals received before.
  package static func listen() {
    // Also initializes both variables, which a handler must not do: it may not wait for a lock.
    firstStatus.store(0, ordering: .relaxed)
    interruptions.store(0, ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in
      if signal == SIGINT, interruptions.wrappingAdd(1, ordering: .relaxed).oldValue > 0 {
        _exit(StopSignal.interrupted)
      }
      _ = firstStatus.compareExchange(
        expected: 0, desired: signal == SIGINT ? StopSignal.interrupted : StopSignal.temporaryFailure,
        ordering: .relaxed)
    }
    action.sa_flags = SA_RESTART
    // The parent process may have blocked them.
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in [SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGHUP, SIGINT] {
      if signal == SIGHUP, isIgnored(signal) { continue }
      sigaction(signal, &action, nil)
      sigaddset(&mask, signal)
    }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
  }
}

// Global, so that the compiler lays them out as static data: a signal handler may do no more than touch memory.
private let firstStatus = Atomic<Int32>(0)
private let interruptions = Atomic<Int32>(0)
