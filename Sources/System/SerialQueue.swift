import Synchronization

/// Runs work items one after another, in the order of `enqueue`, on a thread of its own.
///
/// Releasing the last reference ends the thread once all enqueued items have run.
package final class SerialQueue: Sendable {
  private let pending = Pending()

  /// - Parameter name: the thread's name, at most 15 bytes.
  package init(_ name: String) {
    // The thread holds `pending`, not the queue, so that `deinit` can end it.
    SystemThread.start(name) { [pending] in pending.serve() }
  }

  deinit { pending.available.signal() }

  package func enqueue(_ item: @escaping @Sendable () -> Void) { pending.append(item) }

  /// Returns when every item that was enqueued before has run.
  package func flush() {
    let done = Semaphore()
    pending.append { done.signal() }
    done.wait()
  }

  private final class Pending: Sendable {
    /// Signaled once for each item, and once more for the end.
    let available = Semaphore()
    private let items = Mutex<[@Sendable () -> Void]>([])

    func append(_ item: @escaping @Sendable () -> Void) {
      items.withLock { $0.append(item) }
      available.signal()
    }

    func serve() {
      while true {
        available.wait()
        guard let item = items.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
        item()
      }
    }
  }
}
