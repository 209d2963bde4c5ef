import Distributed
import Glibc
import System

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

  /// The replicas of the ranks in `odd` diverge.
  static func replicas(_ communicator: Communicator, odd: [Int]) throws {
    let parameters: [Float] = [1, 2, odd.contains(communicator.rank) ? 3 : 4]
    try Consensus(communicator).requireEqualReplicas(parameters.withUnsafeBytes(XXH64.hash))
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
