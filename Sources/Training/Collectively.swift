import Distributed

extension Communicator {
  /// Does what every rank does by itself with the same outcome, as listing the images. Every rank takes part.
  ///
  /// - Throws: where all ranks meet the same error, one that a single rank tells for all. Otherwise the ranks that failed
  ///   throw theirs, and the others wait for the end of the job that follows.
  package func collectively<Outcome>(_ body: () throws -> Outcome) throws -> Outcome {
    let outcome = Result(catching: body)
    guard size > 1 else { return try outcome.get() }
    let problems = allGather(outcome.problem)
    if let problem = problems.first, !problem.isEmpty, problems.allSatisfy({ $0 == problem }) {
      throw SameOnAllRanks(description: problem)
    }
    let value = try outcome.get()
    if problems.contains(where: { !$0.isEmpty }) { sleepingBarrier() }
    return value
  }
}

/// What every rank met.
private struct SameOnAllRanks: CollectiveError, CustomStringConvertible {
  let description: String
}

extension Result {
  /// The error in words; empty where there is none.
  fileprivate var problem: String {
    if case .failure(let error) = self { "\(error)" } else { "" }
  }
}
