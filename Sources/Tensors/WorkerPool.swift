import Glibc
import Synchronization
import System

/// The threads that compute, one pool a rank.
///
/// Work comes as numbered tasks; whichever worker is free takes the next. Tasks must be cut by the shape of the data
/// alone and write to places of their own, so that neither the number of workers nor their luck changes a bit of the result.
package final class WorkerPool: Sendable {
  package let threads: Int
  private let shared: Shared?

  /// - Parameter threads: workers that compute at once, the calling thread among them; at least 1.
  package init(threads: Int) {
    precondition(threads >= 1)
    self.threads = threads
    guard threads > 1 else {
      shared = nil
      return
    }
    let shared = Shared(helpers: threads - 1)
    self.shared = shared
    for worker in 1..<threads { SystemThread.start("gscnn compute") { shared.serve(as: worker) } }
  }

  deinit { shared?.stop() }

  /// Runs `body(task, worker)` for each task from 0 to `tasks` − 1 and returns when all are done.
  ///
  /// `worker` runs from 0 to `threads` − 1 and no two calls with the same worker overlap: it names a scratch space.
  /// Calls from several threads, or from inside `body`, are not allowed.
  package func parallelFor(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    guard tasks > 1, let shared else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    shared.parallelFor(tasks, body)
  }

  /// What the calling thread and its helpers share. Helpers hold it, not the pool, so that the pool can end them.
  private final class Shared: @unchecked Sendable {
    // Unchecked: `body` is written only while no helper runs (after `finished`, before `wake`).
    private let next = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private var tasks = 0
    private var body: ((Int, Int) -> Void)?
    private let helpers: Int
    private let wake: UnsafeMutablePointer<sem_t>
    private let finished: UnsafeMutablePointer<sem_t>

    init(helpers: Int) {
      self.helpers = helpers
      wake = .allocate(capacity: 1)
      finished = .allocate(capacity: 1)
      sem_init(wake, 0, 0)
      sem_init(finished, 0, 0)
    }

    deinit {
      sem_destroy(wake)
      sem_destroy(finished)
      wake.deallocate()
      finished.deallocate()
    }

    func parallelFor(_ tasks: Int, _ body: (Int, Int) -> Void) {
      withoutActuallyEscaping(body) { body in
        self.tasks = tasks
        self.body = body
        next.store(0, ordering: .relaxed)
        running.store(helpers, ordering: .releasing)
        for _ in 0..<helpers { sem_post(wake) }
        work(as: 0)
        while sem_wait(finished) != 0 {}
        self.body = nil
      }
    }

    func serve(as worker: Int) {
      while true {
        while sem_wait(wake) != 0 {}
        if stopping.load(ordering: .acquiring) { return }
        work(as: worker)
        if running.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { sem_post(finished) }
      }
    }

    func stop() {
      stopping.store(true, ordering: .releasing)
      for _ in 0..<helpers { sem_post(wake) }
    }

    private func work(as worker: Int) {
      guard let body else { return }
      while true {
        let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if task >= tasks { return }
        body(task, worker)
      }
    }
  }
}
