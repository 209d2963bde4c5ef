import Foundation

/// Machines that are alike, and what connects them: the part of a plan that nobody measures here.
package struct Cluster: Codable, Sendable {
  package var nodes: Int
  package var ranksPerNode: Int
  /// Compute threads of each rank.
  package var threads: Int
  /// Bytes a second of a node's link, each way; its ranks share it.
  package var linkBytesPerSecond: Double
  /// Seconds from one rank's sending of a small message to another's having it.
  package var linkLatency: Double
  /// Seconds that a byte takes between two ranks of a node.
  package var memorySecondsPerByte: Double
  package var memoryLatency = 1e-6
  /// Standard deviation of the speeds of ranks, as a share of their mean.
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

  /// Whether sums are made by halving and doubling; else every rank sends to every other.
  package var isPowerOfTwo: Bool { ranks & (ranks - 1) == 0 }

  /// How much longer the slowest of the ranks takes than the mean of them: the expectation of the largest of R normally
  /// distributed numbers is at most σ √(2 ln R).
  package var slowest: Double { ranks > 1 ? 1 + spread * (2 * log(Double(ranks))).squareRoot() : 1 }

  /// Seconds of the sum of a large array over the ranks (`TreeAllReduce`).
  ///
  /// By halving and doubling, ranks of a node first exchange n (1 − 1/r) bytes each way in memory, twice; what is left to
  /// each is n/r, so that the r ranks of a node together send n (1 − 1/N) bytes over its link, twice, whatever r is.
  /// In other numbers of ranks every rank hands each other one the part that it owns, r n (1 − 1/N) bytes a link, twice.
  package func seconds(sumOf bytes: Int) -> (link: Double, memory: Double) {
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

  /// Seconds of the sum of a small array, which travels whole in each of log₂ R rounds.
  package func seconds(smallSumOf bytes: Int) -> Double {
    guard ranks > 1 else { return 0 }
    let inside = log2(Double(ranksPerNode)).rounded(.up)
    let outside = log2(Double(ranks)).rounded(.up) - inside
    return inside * memoryLatency + outside * (linkLatency + Double(ranksPerNode * bytes) / linkBytesPerSecond)
  }
}
