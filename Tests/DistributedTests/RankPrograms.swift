import Jobs
import Testing

/// Tests that start processes, serialized.
@Suite(.serialized)
enum RankPrograms {}

extension Job {
  /// Runs RankProgram.
  ///
  /// - Parameter ranks: nil to start the program without `mpirun`.
  static func run(
    ranks: Int?, _ arguments: String..., environment: [String: String] = [:], mpirun options: [String] = [],
    limit: Double = 60
  ) throws -> Job {
    try run(ranks: ranks, arguments, environment: environment, mpirun: options, limit: limit)
  }

  static func run(
    ranks: Int?, _ arguments: [String], environment: [String: String] = [:], mpirun options: [String] = [],
    limit: Double = 60
  ) throws -> Job {
    try run("RankProgram", arguments, ranks: ranks, environment: environment, mpirun: options, limit: limit)
  }

  /// The results that each rank reported, in the order of the ranks.
  func reports(ranks: Int) -> [[String]] {
    (0..<ranks).map { rank in
      output.filter { $0.hasPrefix("\(rank) ") }.map { String($0.dropFirst("\(rank) ".count)) }
    }
  }
}
