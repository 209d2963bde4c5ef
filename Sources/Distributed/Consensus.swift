/// What all ranks must hold alike. Every rank takes part in each of these calls.
package struct Consensus: Sendable {
  private let communicator: Communicator

  package init(_ communicator: Communicator) { self.communicator = communicator }

  /// Whether any rank says yes: the same answer on all ranks.
  package func anyRank(_ flag: Bool) -> Bool { communicator.allReduceMax(flag ? 1 : 0) == 1 }

  /// The exit status that a signal to any one rank asks for, the same on all ranks; nil where there was none.
  ///
  /// Asked at the end of every step, so that all ranks stop after the same one. Ctrl-C on one rank outweighs a
  /// scheduler's signal to another.
  ///
  /// - Parameter received: what this rank's `StopSignal` received.
  package func stopStatus(_ received: Int32?) -> Int32? {
    let status = communicator.allReduceMax(Int(received ?? 0))
    return status == 0 ? nil : Int32(status)
  }

  /// Compares the digests of the ranks' replicas, made by `Digest`.
  ///
  /// - Throws: `ReplicasDiffer`, the same on all ranks.
  package func requireEqualReplicas(_ digest: UInt64) throws {
    let digests = communicator.allGather(digest)
    let odd = Self.divergentRanks(digests)
    guard !odd.isEmpty else { return }
    let hosts = communicator.allGather(communicator.host)
    throw ReplicasDiffer(ranks: odd.map { ($0, hosts[$0]) }, outOf: communicator.size)
  }

  /// The ranks whose digest differs from the one that most hold; from that of rank 0 where no digest is more frequent.
  package static func divergentRanks(_ digests: [UInt64]) -> [Int] {
    var votes: [UInt64: Int] = [:]
    for digest in digests { votes[digest, default: 0] += 1 }
    guard votes.count > 1, let most = votes.values.max() else { return [] }
    let common = digests.first { votes[$0] == most }
    return digests.indices.filter { digests[$0] != common }
  }
}

/// The parameters of some ranks are no longer those of the others: a machine computes or remembers wrongly.
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
