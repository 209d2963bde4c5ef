import Synchronization
import Tensors
import Testing

@Suite("Worker pool")
struct WorkerPoolTests {
  @Test("Every task runs exactly once", arguments: [1, 2, 3, 5], [0, 1, 2, 7, 1000])
  func runsEachTaskOnce(threads: Int, tasks: Int) {
    let workers = WorkerPool(threads: threads)
    let runs = Buffer(count: tasks)
    runs.clear()
    for _ in 0..<20 { workers.parallelFor(tasks) { task, _ in runs.start[task] += 1 } }
    #expect((0..<tasks).allSatisfy { runs.start[$0] == 20 })
  }

  @Test("Tasks of one worker never overlap, and worker numbers are less than the thread count", arguments: [2, 4])
  func workersAreExclusive(threads: Int) {
    let workers = WorkerPool(threads: threads)
    let overlaps = Atomic(0)
    let outOfRange = Atomic(0)
    let busy = Mutex([Bool](repeating: false, count: threads))
    workers.parallelFor(2000) { task, worker in
      guard (0..<threads).contains(worker) else {
        outOfRange.wrappingAdd(1, ordering: .relaxed)
        return
      }
      let wasBusy = busy.withLock { busy in
        defer { busy[worker] = true }
        return busy[worker]
      }
      if wasBusy { overlaps.wrappingAdd(1, ordering: .relaxed) }
      var random = RandomNumbers(UInt64(task))
      for _ in 0..<100 { _ = random.next() }
      busy.withLock { $0[worker] = false }
    }
    #expect(overlaps.load(ordering: .relaxed) == 0 && outOfRange.load(ordering: .relaxed) == 0)
  }

  @Test("Tasks run concurrently")
  func tasksOverlap() {
    let workers = WorkerPool(threads: 3)
    let arrived = Atomic(0)
    // Each task waits for all three: with fewer threads this would never end.
    workers.parallelFor(3) { _, _ in
      arrived.wrappingAdd(1, ordering: .acquiringAndReleasing)
      while arrived.load(ordering: .acquiring) < 3 {}
    }
    #expect(arrived.load(ordering: .relaxed) == 3)
  }

  @Test("Results are visible after the call, and to the tasks of the next call")
  func resultsAreVisible() {
    let workers = WorkerPool(threads: 3)
    let values = Buffer(count: 64)
    values.clear()
    for round in 1...500 {
      // Each task reads what another task wrote in the previous round.
      let before = (0..<64).map { values.start[$0] }
      #expect(before.allSatisfy { $0 == Float(round - 1) })
      workers.parallelFor(64) { task, _ in values.start[task] = before[(task + 17) % 64] + 1 }
    }
  }

  @Test("Pools are created and destroyed repeatedly")
  func poolsEnd() {
    let total = Atomic(0)
    for _ in 0..<50 {
      WorkerPool(threads: 4).parallelFor(8) { task, _ in total.wrappingAdd(task, ordering: .relaxed) }
    }
    #expect(total.load(ordering: .relaxed) == 50 * 28)
  }
}
