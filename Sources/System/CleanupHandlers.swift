import Synchronization

/// Work that must be completed before an error ends the process, such as a file that a thread is writing. Process-wide
/// state: an error may end the process from any thread and any depth.
package enum CleanupHandlers {
  /// Adds a handler. It may run on any thread and more than once.
  package static func add(_ handler: @escaping @Sendable () -> Void) { handlers.withLock { $0.append(handler) } }

  /// Runs all handlers, and waits for them at most this many seconds.
  package static func run(within seconds: Double) {
    let handlers = handlers.withLock { $0 }
    guard !handlers.isEmpty else { return }
    let done = Semaphore()
    // A thread of its own: a handler may wait for a disk that does not answer.
    SystemThread.start("gscnn cleanup") {
      for handler in handlers { handler() }
      done.signal()
    }
    _ = done.wait(seconds: seconds)
  }
}

private let handlers = Mutex<[@Sendable () -> Void]>([])
