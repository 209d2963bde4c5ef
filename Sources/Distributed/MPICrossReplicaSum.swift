import Layers

/// The sums of batch norm and the losses over a batch that the ranks hold together.
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
    timeline.measure("sum over the ranks") { reduction.sum(&values) }
  }
}
