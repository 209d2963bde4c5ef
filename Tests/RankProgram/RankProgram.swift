import COpenMPI
import Distributed
import Glibc
import Layers
import System

/// The program that the tests of `Distributed` start under `mpirun`: `RankProgram CASE [ARGUMENTS]`.
///
/// Every rank prints its results as lines "RANK RESULT…" on standard output.
@main
enum RankProgram {
  private struct UnknownCase: Error {
    let name: String
  }

  static func main() {
    do {
      try run(CommandLine.arguments.dropFirst().first ?? "", Array(CommandLine.arguments.dropFirst(2)))
    } catch {
      Communicator.fail(error, status: 3)
    }
  }

  private static func run(_ name: String, _ arguments: [String]) throws {
    let communicator = try Communicator.initialize()
    let numbers = arguments.compactMap { Int($0) }
    switch name {
    case "facts": facts(communicator)
    case "layout": layout(communicator)
    case "bind": bind(communicator, machine: arguments[0], processors: numbers)
    case "sum-floats": sumFloats(communicator, numbers)
    case "sum-bfloat16": sumInBFloat16(communicator, numbers)
    case "sum-doubles": sumDoubles(communicator, count: numbers[0])
    case "split": split(communicator, width: numbers[0])
    case "collectives": collectives(communicator)
    case "buckets": buckets(communicator, overlapped: arguments == ["overlapped"])
    case "backoff": backoff(communicator)
    case "clocks": clocks(communicator)
    case "store": store(communicator)
    case "rest": rest(communicator)
    case "slots": try slots(communicator, count: numbers[0], lost: numbers[1])
    case "throw": try throwing(communicator, rank: numbers[0])
    case "kill": killed(communicator, rank: numbers[0])
    case "misuse": communicator.report("\(communicator.broadcast([], from: communicator.size))")
    case "checkpoints": try checkpoints(in: arguments[0], kill: arguments[1], number: numbers.last ?? 0)
    case "replicas": try replicas(communicator, place: arguments[0], odd: numbers)
    case "signal": signalled(communicator, rank: numbers[0], signals: Array(arguments.dropFirst()))
    default: throw UnknownCase(name: name)
    }
    communicator.finalize()
  }

  private static func facts(_ communicator: Communicator) {
    var started: Int32 = 0
    MPI_Initialized(&started)
    communicator.report(
      "size \(communicator.size) local \(communicator.localRank) of \(communicator.localSize) mpi \(started)")
  }

  /// Clocks that are 1000 seconds apart, rank by rank.
  private static func clocks(_ communicator: Communicator) {
    let offset = communicator.clockOffsetToRank0 { Clock.now - 1000 * Double(communicator.rank) }
    communicator.report("\(offset)")
  }
}
