import Glibc
import Synchronization

/// Notices when the scheduler or the user asks the program to stop.
///
/// SIGTERM and SIGUSR1, which schedulers send before they take a machine, ask for exit status 75: "start me again".
/// SIGINT, Ctrl-C, asks for 130; a second one ends the process at once. `mpirun` passes SIGUSR1 on to every rank; at
/// SIGTERM and SIGINT it kills them a second later, so that launch scripts should send it SIGUSR1 in their place.
package struct StopSignal: Sendable {
  /// Exit status of a run that was saved and can be resumed.
  package static var temporaryFailure: Int32 { 75 }
  /// Exit status of a run that the user interrupted.
  package static var interrupted: Int32 { 130 }

  package init() {}

  /// The exit status that the first signal so far asks for; nil while there was none.
  package var received: Int32? {
    let status = firstStatus.load(ordering: .relaxed)
    return status == 0 ? nil : status
  }

  /// From here on the signals are noticed instead of ending the process; those received before are forgotten.
  package func listen() {
    // A handler must find both variables made: it may not wait for a lock.
    firstStatus.store(0, ordering: .relaxed)
    interruptions.store(0, ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in
      if signal == SIGINT, interruptions.wrappingAdd(1, ordering: .relaxed).oldValue > 0 {
        _exit(StopSignal.interrupted)
      }
      _ = firstStatus.compareExchange(
        expected: 0, desired: signal == SIGINT ? StopSignal.interrupted : StopSignal.temporaryFailure, ordering: .relaxed)
    }
    action.sa_flags = SA_RESTART
    // Who started the process may have blocked them.
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in [SIGTERM, SIGUSR1, SIGINT] {
      sigaction(signal, &action, nil)
      sigaddset(&mask, signal)
    }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
  }
}

// Outside of the type, where the compiler lays them out as data: a handler may only touch memory.
private let firstStatus = Atomic<Int32>(0)
private let interruptions = Atomic<Int32>(0)
