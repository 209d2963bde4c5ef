import Synchronization
import System
import Testing

@Suite("Serial queue")
struct SerialQueueTests {
  private final class Log: Sendable {
    let entries = Mutex<[Int]>([])
  }

  @Test("Items run one after another, in order; flush waits for all of them")
  func order() {
    let queue = SerialQueue("test queue")
    let log = Log()
    for round in 0..<3 {
      for index in 0..<100 { queue.enqueue { log.entries.withLock { $0.append(100 * round + index) } } }
      queue.flush()
      #expect(log.entries.withLock { $0 } == Array(0..<100 * (round + 1)))
    }
    queue.flush()
  }

  @Test("Releasing the queue runs what is enqueued")
  func release() {
    let log = Log()
    let done = Semaphore()
    do {
      let queue = SerialQueue("test queue")
      for index in 0..<10 { queue.enqueue { log.entries.withLock { $0.append(index) } } }
      queue.enqueue { done.signal() }
    }
    done.wait()
    #expect(log.entries.withLock { $0 } == Array(0..<10))
  }

  @Test("Its thread has the name that was given")
  func name() {
    let queue = SerialQueue("gscnn test")
    let found = Mutex("")
    queue.enqueue { found.withLock { $0 = Procfs.text(of: "/proc/thread-self/comm") ?? "" } }
    queue.flush()
    #expect(found.withLock { $0 } == "gscnn test")
  }
}
