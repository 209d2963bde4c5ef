import Synchronization
import System

/// The compute threads of a rank, one pool per rank.
///
/// A parallel loop is split into numbered tasks; each worker takes the next task when it is free. The split must depend
/// on the shape of the data alone, and tasks must write to disjoint memory: then neither the number of threads nor the
/// scheduling changes a bit of the result.
package final class WorkerPool: Sendable {
  package let threads: Int
  /// The instruction set that kernels use on these threads.
  package let instructionSet: InstructionSet
  private let shared: Shared?

  /// - Parameters:
  ///   - threads: workers, including the calling thread; at least 1.
  ///   - instructionSet: one that the processor supports.
  package init(threads: Int, instructionSet: InstructionSet = .chosen) {
    precondition(threads >= 1)
    self.threads = threads
    self.instructionSet = instructionSet
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
  /// `worker` is in `0..<threads`. Calls with the same worker never overlap, so it can index a per-worker workspace.
  /// Must not be called from several threads at once or from inside `body`.
  package func parallelFor(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    Activity.advance()
    guard tasks > 1, let shared else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    shared.parallelFor(tasks, body)
  }

  /// Runs `body(chunk, worker)` for consecutive chunks of `0..<count`, each a task of `grain` elements (the last may be
  /// shorter), and returns when all are done; see `parallelFor`.
  package func forEachChunk(of count: Int, grain: Int, _ body: (_ chunk: Range<Int>, _ worker: Int) -> Void) {
    parallelFor(count.dividedRoundingUp(by: grain)) { task, worker in
      body(task * grain..<min(count, (task + 1) * grain), worker)
    }
  }

  /// The state shared by the calling thread and the helper threads. Helpers retain it instead of the pool, so that the
  /// pool's `deinit` can stop them.
  private final class Shared: @unchecked Sendable {
    // @unchecked: `tasks` and `body` are written only while no helper runs (after `finished`, before `wake`).
    /// The next task to start.
    private let next = Atomic<Int>(0)
    /// Helpers that have not finished the current loop.
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private var tasks = 0
    private var body: ((Int, Int) -> Void)?
    /// Threads beside the calling one.
    private let helpers: Int
    private let wake = Semaphore()
    private let finished = Semaphore()

    init(helpers: Int) { self.helpers = helpers }

    func parallelFor(_ tasks: Int, _ body: (Int, Int) -> Void) {
      withoutActuallyEscaping(body) { body in
        self.tasks = tasks
        self.body = body
        next.store(0, ordering: .relaxed)
        running.store(helpers, ordering: .releasing)
        for _ in 0..<helpers { wake.signal() }
        work(as: 0)
        finished.wait()
        self.body = nil
      }
    }

    func serve(as worker: Int) {
      while true {
        wake.wait()
        if stopping.load(ordering: .acquiring) { return }
        work(as: worker)
        if running.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { finished.signal() }
      }
    }

    func stop() {
      stopping.store(true, ordering: .releasing)
      for _ in 0..<helpers { wake.signal() }
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
