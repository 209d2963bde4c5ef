/// Decisions and checks on which all ranks must agree. All of these calls are collective.
package struct Consensus: Sendable {
  private let communicator: Communicator

  package init(_ communicator: Communicator) { self.communicator = communicator }

  /// The exit status that a signal to any rank requests, the same on all ranks; nil if there was none.
  ///
  /// Ctrl-C on one rank takes precedence over a scheduler's signal to another.
  ///
  /// - Parameter received: this rank's `StopSignal.received`.
  package func stopStatus(_ received: Int32?) -> Int32? { afterStep(received, checkpoint: false).stop }

  /// What all ranks do after a step: stop with a status, as `stopStatus`, or save a checkpoint that any of them requests.
  /// One message for both, so that no step waits twice.
  package func afterStep(_ received: Int32?, checkpoint: Bool) -> (stop: Int32?, checkpoint: Bool) {
    // The status in the higher bits: a run that stops saves anyway.
    let request = communicator.allReduceMax(Int(received ?? 0) << 1 | (checkpoint ? 1 : 0))
    return (request > 1 ? Int32(request >> 1) : nil, request & 1 == 1)
  }

  /// Compares the hashes (XXH64) of the ranks' replicas.
  ///
  /// - Throws: `ReplicasDiffer`, the same on all ranks.
  package func requireEqualReplicas(_ hash: UInt64) throws {
    let hashes = communicator.allGather(hash)
    let divergent = Self.divergentRanks(hashes)
    guard !divergent.isEmpty else { return }
    let hosts = communicator.allGather(communicator.host)
    throw ReplicasDiffer(ranks: divergent.map { ($0, hosts[$0]) }, outOf: communicator.size)
  }

  /// The ranks whose hash differs from the majority's, or from rank 0's if there is no majority.
  package static func divergentRanks(_ hashes: [UInt64]) -> [Int] {
    var votes: [UInt64: Int] = [:]
    for hash in hashes { votes[hash, default: 0] += 1 }
    guard votes.count > 1, let most = votes.values.max() else { return [] }
    let common = hashes.first { votes[$0] == most }
    return hashes.indices.filter { hashes[$0] != common }
  }
}

/// The replicas of some ranks differ from those of the others: a processor or memory error.
package struct ReplicasDiffer: CollectiveError, CustomStringConvertible {
  package let ranks: [(rank: Int, host: String)]
  /// Ranks in the job.
  package let size: Int

  init(ranks: [(rank: Int, host: String)], outOf size: Int) {
    self.ranks = ranks
    self.size = size
  }

  package var description: String {
    let names = ranks.prefix(8).map { "rank \($0.rank) on \($0.host)" }.joined(separator: ", ")
    let more = ranks.count > 8 ? " and \(ranks.count - 8) more" : ""
    let others = ranks.contains { $0.rank == 0 } ? "those of the other ranks" : "rank 0's"
    let (replica, differs) = ranks.count == 1 ? ("replica", "differs") : ("replicas", "differ")
    let doubt = size == 2 ? "either may be the wrong one; " : ""
    return "\(replica) of \(names)\(more) \(differs) from \(others); \(doubt)restart from the last checkpoint"
  }
}
