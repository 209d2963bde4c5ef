import Distributed
import Glibc
import System

extension RankProgram {
  struct Mishap: Error, CustomStringConvertible {
    var description: String { "data/lost.png: cannot be read;\nrestore it" }
  }

  static func throwing(_ communicator: Communicator, rank: Int) throws {
    communicator.sleepingBarrier()
    if communicator.rank == rank { throw Mishap() }
    waitForever(communicator)
  }

  static func killed(_ communicator: Communicator, rank: Int) {
    communicator.sleepingBarrier()
    if communicator.rank == rank { raise(SIGKILL) }
    waitForever(communicator)
  }

  /// Waits for numbers that will not come.
  private static func waitForever(_ communicator: Communicator) {
    var numbers = [1.0]
    MPICrossReplicaSum(communicator).sum(&numbers)
    communicator.report("went on")
  }

  /// The ranks in `odd` hold another replica than the rest.
  static func replicas(_ communicator: Communicator, odd: [Int]) throws {
    let parameters: [Float] = [1, 2, odd.contains(communicator.rank) ? 3 : 4]
    var digest = Digest()
    digest.add(parameters, count: parameters.count)
    try Consensus(communicator).requireEqualReplicas(digest.value)
    communicator.report("equal")
  }

  /// Ten steps; one rank receives signals in step 3.
  static func signalled(_ communicator: Communicator, rank: Int, signals: [String]) {
    let numbers = ["TERM": SIGTERM, "USR1": SIGUSR1, "INT": SIGINT]
    let agreement = Consensus(communicator)
    StopSignal.listen()
    for step in 1...10 {
      if step == 3, communicator.rank == rank {
        for name in signals { raise(numbers[name] ?? SIGKILL) }
      }
      guard let status = agreement.stopStatus(StopSignal.received) else { continue }
      communicator.report("stopped after step \(step) with \(status)")
      communicator.finalize()
      exit(status)
    }
    communicator.report("was not stopped")
  }

  /// Rank 0 works for a second, the others wait for it and tell what that cost them.
  static func rest(_ communicator: Communicator) {
    communicator.sleepingBarrier()
    let (wall, processor) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID))
    if communicator.rank == 0 { sleep(1) }
    communicator.sleepingBarrier()
    communicator.report("\(seconds(CLOCK_MONOTONIC) - wall) \(seconds(CLOCK_PROCESS_CPUTIME_ID) - processor)")
  }

  static func seconds(_ clock: Int32) -> Double {
    var time = timespec()
    clock_gettime(clockid_t(clock), &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
