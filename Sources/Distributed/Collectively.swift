extension Communicator {
  /// Runs `body` on every rank, for work that every rank does by itself with the same outcome, such as listing images.
  /// Collective.
  ///
  /// - Throws: `FailureOnAllRanks` where all ranks fail identically. Otherwise each rank that failed throws its own error,
  ///   and the others wait until that error ends the job.
  package func collectively<Outcome>(_ body: () throws -> Outcome) throws -> Outcome {
    let outcome = Result(catching: body)
    guard size > 1 else { return try outcome.get() }
    let failures = allGather(outcome.failureText)
    if case .failure(let error) = outcome, failures.allSatisfy({ $0 == failures[0] }) {
      throw FailureOnAllRanks(underlying: error)
    }
    let value = try outcome.get()
    if failures.contains(where: { !$0.isEmpty }) { sleepingBarrier() }
    return value
  }
}

/// An error that every rank met alike.
package struct FailureOnAllRanks: CollectiveError, CustomStringConvertible {
  package let underlying: any Error

  package var description: String { "\(underlying)" }
}

extension Result {
  /// The error's description; empty where there is none.
  fileprivate var failureText: String {
    if case .failure(let error) = self { "\(error)" } else { "" }
  }
}
