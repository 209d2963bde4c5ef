import Layers
import System

/// Sums over the global batch, for synchronized batch norm and the losses, on the ranks of a communicator.
package struct MPICrossReplicaSum: CrossReplicaSum, Sendable {
  private let communicator: Communicator
  private let reduction: TreeAllReduce
  private let timeline: Timeline?

  package init(_ communicator: Communicator, timeline: Timeline? = nil) {
    self.communicator = communicator
    self.timeline = timeline
    reduction = TreeAllReduce(communicator)
  }

  package func sum(_ values: inout [Double]) {
    guard communicator.size > 1 else { return }
    timeline.measure("all-reduce of batch sums") { reduction.sum(&values) }
  }
}
