/// What all ranks must hold alike.
extension Communicator {
  /// Whether any rank says yes: the same answer on all ranks.
  package func anyRank(_ flag: Bool) -> Bool { largest(flag ? 1 : 0) == 1 }

  /// The exit status that a signal to any one rank asks for, the same on all ranks; nil where there was none.
  ///
  /// To be called at the end of every step, by all ranks: the step after which they stop is then the same for all.
  /// Ctrl-C on one rank outweighs a scheduler's signal to another.
  package func agreedStop(_ received: Int32? = StopSignal.received) -> Int32? {
    let status = largest(Int(received ?? 0))
    return status == 0 ? nil : Int32(status)
  }

  /// Compares the digests of the ranks' replicas.
  /// - Throws: `ReplicasDiffer`, the same on all ranks.
  package func checkReplicas(_ digest: Digest) throws {
    let digests = gatherEverywhere(digest.value)
    let odd = Self.oddOnesOut(digests)
    guard !odd.isEmpty else { return }
    let hosts = gatherEverywhere(host)
    throw ReplicasDiffer(ranks: odd.map { ($0, hosts[$0]) }, outOf: size)
  }

  /// The ranks whose digest differs from the one that most hold; from that of rank 0 where no digest is more frequent.
  static func oddOnesOut(_ digests: [UInt64]) -> [Int] {
    var votes: [UInt64: Int] = [:]
    for digest in digests { votes[digest, default: 0] += 1 }
    guard votes.count > 1, let most = votes.values.max() else { return [] }
    let common = digests.first { votes[$0] == most }
    return digests.indices.filter { digests[$0] != common }
  }
}

/// The parameters of some ranks are no longer those of the others: a machine computes or remembers wrongly.
package struct ReplicasDiffer: SharedError, CustomStringConvertible {
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
