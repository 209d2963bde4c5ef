import Kernels
import Layers
import Tensors

/// The joint multi-task loss of a batch (§3.2): semantic cross entropy, balanced binary cross entropy (BCE) of the edge
/// probability, and the dual-task loss. Of the paper's dual task regularizer this is the second term: semantic cross
/// entropy over the pixels where the network predicts an edge.
package struct JointLoss: Sendable, Equatable {
  package let semantic: Double
  package let edge: Double
  package let task: Double

  /// The minimized loss: semantic + 20 · edge + task.
  package var total: Double { semantic + Self.options.edgeWeight * edge + task }

  package init(semantic: Double, edge: Double, task: Double) {
    self.semantic = semantic
    self.edge = edge
    self.task = task
  }

  /// The mean of the losses of several batches, which are at least one.
  package static func mean(of losses: [JointLoss]) -> JointLoss {
    guard losses.count > 1 else { return losses[0] }
    func mean(_ term: (JointLoss) -> Double) -> Double { losses.map(term).reduce(0, +) / Double(losses.count) }
    return JointLoss(semantic: mean(\.semantic), edge: mean(\.edge), task: mean(\.task))
  }

  /// The constants of the paper.
  package static let options = Losses.Options(ignoreIndex: 255, edgeThreshold: 0.8, edgeWeight: 20)

  /// The loss of the global batch, the same on every rank. Runs two all-reduces.
  ///
  /// - Parameters:
  ///   - output: of the network for this rank's images.
  ///   - target: train ids, or `options.ignoreIndex`, `N · H · W`.
  ///   - boundary: 1 on boundaries, else 0, `N · H · W`.
  ///   - ranks: sums over the ranks that hold the global batch.
  package static func evaluate(
    _ output: GatedSCNN.Output, target: [UInt8], boundary: [UInt8], over ranks: any CrossReplicaSum = SingleReplica(),
    on workers: WorkerPool
  ) -> JointLoss {
    let (logits, edge) = (output.logits.value, output.edge.value)
    let counts = ranks.sum(
      Losses.counts(edge: edge, target: target, boundary: boundary, options, on: workers))
    let terms = Losses.terms(
      logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, options, on: workers)
    return JointLoss(ranks.sum(terms))
  }

  /// The loss of the global batch, as `evaluate` returns it. Also adds the gradients of its total to the gradients of
  /// `output`, from which `Tape.backward()` continues.
  ///
  /// The pixel counts that divide the losses are those of the global batch. The ranks' gradients therefore add up to
  /// the gradient of the global batch, however the batch is split.
  package static func evaluateAndAddGradients(
    _ output: GatedSCNN.Output, target: [UInt8], boundary: [UInt8], over ranks: any CrossReplicaSum = SingleReplica(),
    on workers: WorkerPool
  ) -> JointLoss {
    let (logits, edge) = (output.logits.value, output.edge.value)
    let counts = ranks.sum(
      Losses.counts(edge: edge, target: target, boundary: boundary, options, on: workers))
    let (terms, gradients) = Losses.termsAndGradients(
      logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, options, on: workers)
    output.logits.gradient?.add(gradients.logits, on: workers)
    output.edge.gradient?.add(gradients.edge, on: workers)
    return JointLoss(ranks.sum(terms))
  }

  private init(_ terms: Losses.Terms) { self.init(semantic: terms.semantic, edge: terms.edge, task: terms.task) }
}

extension CrossReplicaSum {
  /// Pixel counts of the global batch.
  fileprivate func sum(_ counts: Losses.PixelCounts) -> Losses.PixelCounts {
    var values = [counts.valid, counts.onBoundary, counts.offBoundary, counts.predictedEdge]
    sum(&values)
    return Losses.PixelCounts(
      valid: values[0], onBoundary: values[1], offBoundary: values[2], predictedEdge: values[3])
  }

  /// Losses of the global batch.
  fileprivate func sum(_ terms: Losses.Terms) -> Losses.Terms {
    var values = [terms.semantic, terms.edge, terms.task]
    sum(&values)
    return Losses.Terms(semantic: values[0], edge: values[1], task: values[2])
  }
}
