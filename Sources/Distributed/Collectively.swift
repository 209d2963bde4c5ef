extension Communicator {
  /// Runs `body` on every rank, for work that every rank does redundantly with the same outcome, such as listing images.
  /// Collective.
  ///
  /// - Throws: `FailureOnAllRanks` if all ranks fail identically. Otherwise each rank that failed throws its own error,
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

/// The same error on every rank.
package struct FailureOnAllRanks: CollectiveError, CustomStringConvertible {
  package let underlying: any Error

  package var description: String { "\(underlying)" }
}

extension Result {
  /// The error's description; empty for a success.
  fileprivate var failureText: String {
    if case .failure(let error) = self { "\(error)" } else { "" }
  }
}
