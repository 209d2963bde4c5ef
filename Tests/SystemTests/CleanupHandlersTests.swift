import Synchronization
import System
import Testing

@Suite("Cleanup handlers")
struct CleanupHandlersTests {
  private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
  }

  @Test("Handlers run before the process goes on to end; one that blocks is waited for no longer than the limit")
  func run() {
    let (done, blocked, never) = (Flag(), Flag(), Semaphore())
    CleanupHandlers.add { done.set() }
    CleanupHandlers.run(within: 60)
    #expect(done.isSet)
    CleanupHandlers.add {
      never.wait()
      blocked.set()
    }
    CleanupHandlers.run(within: 0.01)
    #expect(!blocked.isSet)
    never.signal()
  }
}
