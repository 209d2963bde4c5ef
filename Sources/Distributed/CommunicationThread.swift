import Glibc
import Synchronization
import Tensors

/// A thread that does what it is handed, one thing after another, beside the threads that compute.
///
/// MPI moves large messages only while somebody calls it. This thread does, so that sums go on while others compute.
final class CommunicationThread: Sendable {
  private let shared = Shared()

  init() {
    // The thread holds what it shares, not this object, so that letting go of the object ends it.
    SystemThread.start("gscnn sums") { [shared] in shared.serve() }
  }

  deinit { shared.stop() }

  /// Has something done after everything that was handed over before.
  func hand(over work: @escaping @Sendable () -> Void) { shared.hand(over: work) }

  /// Returns when all is done.
  func drain() { shared.drain() }

  private final class Shared: @unchecked Sendable {
    // Unchecked: the semaphores never move, and everything else is locked.
    private struct State {
      var work: [@Sendable () -> Void] = []
      var next = 0
    }
    private let state = Mutex(State())
    private let wake: UnsafeMutablePointer<sem_t>
    private let drained: UnsafeMutablePointer<sem_t>

    init() {
      wake = .allocate(capacity: 1)
      drained = .allocate(capacity: 1)
      sem_init(wake, 0, 0)
      sem_init(drained, 0, 0)
    }

    deinit {
      sem_destroy(wake)
      sem_destroy(drained)
      wake.deallocate()
      drained.deallocate()
    }

    func hand(over work: @escaping @Sendable () -> Void) {
      state.withLock { $0.work.append(work) }
      sem_post(wake)
    }

    func drain() {
      hand { [self] in sem_post(drained) }
      while sem_wait(drained) != 0 {}
    }

    /// Called once nobody can hand over any more: to be woken with nothing to do is the end.
    func stop() { sem_post(wake) }

    func serve() {
      while true {
        while sem_wait(wake) != 0 {}
        let work = state.withLock { state -> (@Sendable () -> Void)? in
          guard state.next < state.work.count else { return nil }
          defer { state.next += 1 }
          return state.work[state.next]
        }
        guard let work else { return }
        work()
        state.withLock { state in
          guard state.next == state.work.count else { return }
          state.work.removeAll(keepingCapacity: true)
          state.next = 0
        }
      }
    }
  }
}
