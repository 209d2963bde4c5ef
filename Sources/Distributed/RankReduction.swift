import Layers

/// The sums of batch norm and the losses over a batch that the ranks hold together.
package struct RankReduction: BatchReduction, Sendable {
  private let communicator: Communicator
  private let reduction: TreeAllReduce

  package init(_ communicator: Communicator) {
    self.communicator = communicator
    reduction = TreeAllReduce(communicator)
  }

  package var ranks: Int { communicator.size }

  package func sum(_ values: inout [Double]) { reduction.sum(&values) }
}
