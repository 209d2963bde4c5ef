import Kernels
import Layers
import Tensors

/// The losses of a batch (§3.3): semantic cross entropy, balanced cross entropy of the edges, and the cross entropy where
/// the network sees an edge.
package struct JointLoss: Sendable, Equatable {
  package let semantic: Double
  package let edge: Double
  package let task: Double

  /// What is minimized: semantic + 20 · edge + task.
  package var total: Double { semantic + Losses.edgeWeight * edge + task }

  package init(semantic: Double, edge: Double, task: Double) {
    self.semantic = semantic
    self.edge = edge
    self.task = task
  }

  /// The losses of the global batch, the same on every rank. In training the gradients are left with `output`'s traces,
  /// from where `tape.backward()` goes back.
  ///
  /// Pixels are counted over all ranks before they divide: however the batch is shared out, the gradients of the ranks
  /// add up to that of the whole.
  ///
  /// - Parameters:
  ///   - target: trainIds, 255 = ignored, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - reduction: the ranks that hold the global batch, whatever batch norm sums over.
  package init(
    of output: GatedSCNN.Output, target: [UInt8], boundary: [UInt8], over reduction: any CrossReplicaSum = SingleReplica(),
    in tape: Tape
  ) {
    var counts = Losses.counts(edge: output.edge.value, target: target, boundary: boundary, on: tape.workers)
    reduction.sum(&counts)
    var sums: [Double]
    if tape.mode == .training {
      let result = Losses.jointLoss(
        logits: output.logits.value, edge: output.edge.value, target: target, boundary: boundary, counts: counts,
        on: tape.workers)
      output.logits.trace?.add(result.logitsGradient, on: tape.workers)
      output.edge.trace?.add(result.edgeGradient, on: tape.workers)
      sums = result.sums
    } else {
      sums = Losses.value(
        logits: output.logits.value, edge: output.edge.value, target: target, boundary: boundary, counts: counts,
        on: tape.workers)
    }
    reduction.sum(&sums)
    self.init(semantic: sums[0], edge: sums[1], task: sums[2])
  }
}
