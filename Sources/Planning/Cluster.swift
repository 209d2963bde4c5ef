import Foundation

/// Identical machines and the network between them.
package struct Cluster: Codable, Sendable {
  package var nodes: Int
  package var ranksPerNode: Int
  /// Compute threads of each rank.
  package var threads: Int
  /// Bytes per second of a node's link, each way; the node's ranks share it.
  package var linkBytesPerSecond: Double
  /// Seconds of a small message between two ranks over the link.
  package var linkLatency: Double
  /// Seconds per byte of an all-reduce between the ranks of a node, through shared memory.
  package var memorySecondsPerByte: Double
  /// Seconds of a small message between two ranks of a node.
  package var memoryLatency = 1e-6
  /// Standard deviation of the ranks' speeds, as a fraction of their mean.
  package var spread: Double

  package init(
    nodes: Int, ranksPerNode: Int, threads: Int, linkBytesPerSecond: Double, linkLatency: Double,
    memorySecondsPerByte: Double, spread: Double
  ) {
    self.nodes = nodes
    self.ranksPerNode = ranksPerNode
    self.threads = threads
    self.linkBytesPerSecond = linkBytesPerSecond
    self.linkLatency = linkLatency
    self.memorySecondsPerByte = memorySecondsPerByte
    self.spread = spread
  }

  package var ranks: Int { nodes * ranksPerNode }

  /// Whether the all-reduce uses recursive halving and doubling; otherwise every rank exchanges directly with every other.
  package var isPowerOfTwo: Bool { ranks & (ranks - 1) == 0 }

  /// Time of the slowest rank over that of the mean rank: the expected maximum of R normal variables is at most
  /// σ √(2 ln R).
  package var slowdown: Double { ranks > 1 ? 1 + spread * (2 * log(Double(ranks))).squareRoot() : 1 }

  /// Seconds of the all-reduce of a large array (`TreeAllReduce`).
  ///
  /// Recursive halving (reduce-scatter), then doubling (all-gather): the r ranks of a node first exchange n (1 − 1/r) bytes
  /// each way in memory, twice; n/r bytes are left to each, so that together they send n (1 − 1/N) bytes over the node's
  /// link, twice, whatever r is. Direct exchange, where R is no power of two: every rank sends each other rank the part
  /// that it owns, r n (1 − 1/N) bytes per link, twice.
  package func seconds(allReduceOf bytes: Int) -> (link: Double, memory: Double) {
    let (n, count, nodes, local) = (Double(bytes), Double(ranks), Double(nodes), Double(ranksPerNode))
    guard ranks > 1 else { return (0, 0) }
    if isPowerOfTwo {
      return (
        link: 2 * n * (1 - 1 / nodes) / linkBytesPerSecond + 2 * log2(nodes) * linkLatency,
        memory: 2 * n * (1 - 1 / local) * memorySecondsPerByte + 2 * log2(local) * memoryLatency
      )
    }
    return (
      link: 2 * n * local * (1 - 1 / nodes) / linkBytesPerSecond + 2 * (count - local) * linkLatency,
      memory: 2 * n * (local - 1) / count * memorySecondsPerByte + 2 * (local - 1) * memoryLatency
    )
  }

  /// Seconds of the all-reduce of a small array, sent whole in each of log₂ R rounds (recursive doubling).
  package func seconds(smallAllReduceOf bytes: Int) -> Double {
    guard ranks > 1 else { return 0 }
    let localRounds = log2(Double(ranksPerNode)).rounded(.up)
    let linkRounds = log2(Double(ranks)).rounded(.up) - localRounds
    return localRounds * memoryLatency + linkRounds * (linkLatency + Double(ranksPerNode * bytes) / linkBytesPerSecond)
  }
}
