import Layers
import System
import Tensors

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

  /// Compares parameters, running statistics and momentum of the ranks by their hashes (XXH64).
  ///
  /// - Parameters:
  ///   - velocities: the momentum, as long as `store.values`, with the same offsets; nil without one.
  ///   - workers: share the work.
  /// - Throws: `ReplicasDiffer`, the same on all ranks, with the first tensor that differs.
  package func requireEqualReplicas(
    _ store: ParameterStore, velocities: FloatSlice?, on workers: WorkerPool
  ) throws {
    let floats = [store.values, store.running] + (velocities.map { [$0] } ?? [])
    let hashes = communicator.allGather(Self.hash(floats, on: workers))
    let divergent = Self.divergentRanks(hashes)
    guard !divergent.isEmpty else { return }
    let hosts = communicator.allGather(communicator.host)
    let tensors = Self.tensors(of: store, velocities: velocities)
    let tensorHashes = communicator.allGather(tensors.map { Self.hash([$0.floats], on: workers) })
    let equal = hashes.indices.first { !divergent.contains($0) } ?? 0
    throw ReplicasDiffer(
      ranks: divergent.map { rank in
        let first = tensors.indices.first { tensorHashes[rank][$0] != tensorHashes[equal][$0] }
        return ReplicasDiffer.Replica(rank: rank, host: hosts[rank], tensor: first.map { tensors[$0].name })
      }, outOf: communicator.size)
  }

  /// Parameters and running statistics in PyTorch's order, then the momentum of each parameter.
  private static func tensors(
    of store: ParameterStore, velocities: FloatSlice?
  ) -> [(name: String, floats: FloatSlice)] {
    let state: [(String, FloatSlice)] = store.entries.compactMap { entry in
      switch entry {
      case .parameter(let parameter): (parameter.name, parameter.value)
      case .statistic(let statistic): (statistic.name, statistic.value)
      case .counter: nil
      }
    }
    guard let velocities else { return state }
    return state
      + store.parameters.map { parameter in
        let offset = velocities.offset + parameter.offset
        return (
          "the momentum of \(parameter.name)",
          FloatSlice(velocities.buffer, offset: offset, count: parameter.layout.count)
        )
      }
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
  package struct Replica: Sendable {
    package let rank: Int
    package let host: String
    /// The first tensor that differs; `nil` if it is only the padding between tensors.
    package let tensor: String?
  }

  package let ranks: [Replica]
  /// Ranks in the job.
  package let size: Int

  init(ranks: [Replica], outOf size: Int) {
    self.ranks = ranks
    self.size = size
  }

  package var description: String {
    let names = ranks.prefix(8).map { replica in
      "rank \(replica.rank) on \(replica.host)" + (replica.tensor.map { " (first in \($0))" } ?? "")
    }.joined(separator: ", ")
    let more = ranks.count > 8 ? " and \(ranks.count - 8) more" : ""
    let others = ranks.contains { $0.rank == 0 } ? "those of the other ranks" : "rank 0's"
    let (replica, differs) = ranks.count == 1 ? ("replica", "differs") : ("replicas", "differ")
    let doubt = size == 2 ? "either may be the wrong one; " : ""
    return "\(replica) of \(names)\(more) \(differs) from \(others); \(doubt)restart from the last checkpoint"
  }
}
