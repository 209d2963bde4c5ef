import Distributed
import Glibc
import Layers
import System
import Tensors

extension RankProgram {
  struct TestError: Error, CustomStringConvertible {
    var description: String { "data/lost.png: cannot be read;\nrestore it" }
  }

  static func throwing(_ communicator: Communicator, rank: Int) throws {
    communicator.sleepingBarrier()
    if communicator.rank == rank { throw TestError() }
    waitForever(communicator)
  }

  static func killed(_ communicator: Communicator, rank: Int) {
    communicator.sleepingBarrier()
    if communicator.rank == rank { raise(SIGKILL) }
    waitForever(communicator)
  }

  /// Waits for messages that no rank sends.
  private static func waitForever(_ communicator: Communicator) {
    var numbers = [1.0]
    MPICrossReplicaSum(communicator).sum(&numbers)
    communicator.report("continued")
  }

  /// On the ranks in `odd` one bit of the replica changes, in the `place`: `parameter`, `statistic` or `momentum`.
  static func replicas(_ communicator: Communicator, place: String, odd: [Int]) throws {
    let store = ParameterStore()
    let convolution = (store.root / "conv").weight(kernel: 3, from: 2, to: 4)
    let mean = (store.root / "bn").statistic("running_mean", 4, initial: 0)
    let bias = (store.root / "head").vector("bias", 5, initial: .constant(1))
    store.allocate(seed: 1)
    let velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
    if odd.contains(communicator.rank) {
      let changed =
        switch place {
        case "parameter": convolution.value.start + 17
        case "statistic": mean.value.start + 3
        default: velocities.start + bias.offset + 4
        }
      changed.pointee = Float(bitPattern: changed.pointee.bitPattern ^ 1)
    }
    try Consensus(communicator).requireEqualReplicas(store, velocities: velocities, on: WorkerPool(threads: 2))
    communicator.report("equal")
  }

  /// Ten steps; one rank gets signals in step 3.
  static func signalled(_ communicator: Communicator, rank: Int, signals: [String]) {
    let numbers = ["TERM": SIGTERM, "USR1": SIGUSR1, "INT": SIGINT]
    let consensus = Consensus(communicator)
    StopSignal.listen()
    for step in 1...10 {
      if step == 3, communicator.rank == rank {
        for name in signals { raise(numbers[name] ?? SIGKILL) }
      }
      guard let status = consensus.stopStatus(StopSignal.received) else { continue }
      communicator.report("stopped after step \(step) with \(status)")
      communicator.finalize()
      exit(status)
    }
    communicator.report("was not stopped")
  }

  /// Rank 0 works for a second; the others wait for it and report their wall and processor time.
  static func rest(_ communicator: Communicator) {
    communicator.sleepingBarrier()
    let (wall, processor) = (Clock.now, Clock.processorTime)
    if communicator.rank == 0 { sleep(1) }
    communicator.sleepingBarrier()
    communicator.report("\(Clock.now - wall) \(Clock.processorTime - processor)")
  }
}
