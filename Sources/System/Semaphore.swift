import Glibc

/// A counting POSIX semaphore.
package final class Semaphore: @unchecked Sendable {
  // Unchecked for the pointer alone: sem_t is made for concurrent use and never moves.
  private let handle: UnsafeMutablePointer<sem_t>

  package init() {
    handle = .allocate(capacity: 1)
    sem_init(handle, 0, 0)
  }

  deinit {
    sem_destroy(handle)
    handle.deallocate()
  }

  /// Adds 1 and wakes a thread that waits. Safe in a signal handler.
  package func signal() { sem_post(handle) }

  /// Waits until the count is above 0 and subtracts 1.
  package func wait() { while sem_wait(handle) != 0 {} }

  /// Waits at most this many seconds.
  ///
  /// - Returns: whether 1 was subtracted.
  package func wait(seconds: Double) -> Bool {
    // Polls, because `sem_timedwait` follows a clock that may be set.
    let deadline = Clock.now + seconds
    while sem_trywait(handle) != 0 {
      if Clock.now >= deadline { return false }
      usleep(1000)
    }
    return true
  }
}
