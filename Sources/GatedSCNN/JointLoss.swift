import Kernels
import Layers
import Tensors

/// The joint multi-task loss of a batch (§3.2): semantic cross entropy, balanced binary cross entropy (BCE) of the edge
/// probability, and the two terms of the dual task regularizer: semantic cross entropy over the pixels where the network
/// predicts an edge (its second term), and, if wanted, the dual-task loss (its first).
package struct JointLoss: Sendable, Equatable {
  package let semantic: Double
  package let edge: Double
  package let task: Double
  /// `DualTaskLoss`; nil if the loss is the standard one.
  package let dual: Double?
  /// Of `dual` in the total.
  private let dualWeight: Double

  /// The minimized loss: semantic + 20 · edge + task, and the weighted dual-task loss.
  package var total: Double {
    let standard = semantic + Self.options.edgeWeight * edge + task
    return dual.map { standard + dualWeight * $0 } ?? standard
  }

  package init(semantic: Double, edge: Double, task: Double, dual: Double? = nil, dualWeight: Double = 1) {
    self.semantic = semantic
    self.edge = edge
    self.task = task
    self.dual = dual
    self.dualWeight = dualWeight
  }

  /// The mean of the losses of several batches, which are at least one.
  package static func mean(of losses: [JointLoss]) -> JointLoss {
    guard losses.count > 1 else { return losses[0] }
    func mean(_ term: (JointLoss) -> Double) -> Double { losses.map(term).reduce(0, +) / Double(losses.count) }
    return JointLoss(
      semantic: mean(\.semantic), edge: mean(\.edge), task: mean(\.task),
      dual: losses[0].dual == nil ? nil : mean { $0.dual ?? 0 }, dualWeight: losses[0].dualWeight)
  }

  /// The constants of the paper.
  package static let options = Losses.Options(ignoreIndex: 255, edgeThreshold: 0.8, edgeWeight: 20)

  /// The standard loss of the global batch, the same on every rank: that of a validation, whatever a training minimizes.
  /// Trainings with different losses can then be compared by it, and no noise enters. Runs two all-reduces.
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
      Losses.counts(edge: edge, target: target, boundary: boundary, options, on: workers), options)
    let terms = Losses.terms(
      logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, options, on: workers)
    return JointLoss(ranks.sum(terms))
  }

  /// The loss of the global batch that a configuration asks for; by default as `evaluate` returns it. Also adds the
  /// gradients of its total to the gradients of `output`, from which `Tape.backward()` continues. Runs two all-reduces.
  ///
  /// The pixel counts that divide the losses are those of the global batch. The ranks' gradients therefore add up to
  /// the gradient of the global batch, however the batch is split.
  ///
  /// - Parameters:
  ///   - configuration: with resolved class weights.
  ///   - noise: of each image, for the dual-task loss (`DualTaskLoss.noise`).
  package static func evaluateAndAddGradients(
    _ output: GatedSCNN.Output, target: [UInt8], boundary: [UInt8], _ configuration: Configuration = Configuration(),
    noise: [RandomNumbers] = [], over ranks: any CrossReplicaSum = SingleReplica(), on workers: WorkerPool
  ) -> JointLoss {
    let (logits, edge) = (output.logits.value, output.edge.value)
    let options = configuration.options
    let dual = configuration.dualTaskOptions.map {
      DualTaskLoss.sums(logits: logits, target: target, noise: noise, $0, on: workers)
    }
    let kept = Losses.kept(logits: logits, target: target, options, on: workers)
    var dualTerms = dual.map { Double($0.terms) }
    let counts = ranks.sum(
      Losses.counts(edge: edge, target: target, boundary: boundary, kept: kept, options, on: workers), options,
      dualTerms: &dualTerms)
    let (terms, gradients) = Losses.termsAndGradients(
      logits: logits, edge: edge, target: target, boundary: boundary, kept: kept, counts: counts, options, on: workers)
    guard let dual, let dualTerms else {
      output.logits.gradient?.add(gradients.logits, on: workers)
      output.edge.gradient?.add(gradients.edge, on: workers)
      return JointLoss(ranks.sum(terms))
    }
    let weight = configuration.dualTask.weight
    // Without a term the sum is 0 whatever divides it.
    let divisor = max(dualTerms, 1)
    if let slopes = dual.gradient {
      Accumulation.addInPlace(gradients.logits, slopes, times: Float(weight / divisor), on: workers)
    }
    output.logits.gradient?.add(gradients.logits, on: workers)
    output.edge.gradient?.add(gradients.edge, on: workers)
    return ranks.sum(terms, dual: PairwiseSum.total(dual.sums.map { [$0 / divisor] })[0], weight: weight)
  }

  private init(_ terms: Losses.Terms) { self.init(semantic: terms.semantic, edge: terms.edge, task: terms.task) }
}

extension CrossReplicaSum {
  /// Pixel counts of the global batch.
  fileprivate func sum(_ counts: Losses.PixelCounts, _ options: Losses.Options) -> Losses.PixelCounts {
    var none: Double?
    return sum(counts, options, dualTerms: &none)
  }

  /// Pixel counts of the global batch, and the number of terms of its dual-task loss.
  fileprivate func sum(
    _ counts: Losses.PixelCounts, _ options: Losses.Options, dualTerms: inout Double?
  ) -> Losses.PixelCounts {
    let isWeighted = options.classWeights != nil || options.mining != nil
    var values =
      [counts.valid, counts.onBoundary, counts.offBoundary, counts.predictedEdge]
      + (isWeighted ? [counts.semanticWeight, counts.taskWeight] : []) + (dualTerms.map { [$0] } ?? [])
    sum(&values)
    if dualTerms != nil { dualTerms = values.last }
    return Losses.PixelCounts(
      valid: values[0], onBoundary: values[1], offBoundary: values[2], predictedEdge: values[3],
      semanticWeight: isWeighted ? values[4] : nil, taskWeight: isWeighted ? values[5] : nil)
  }

  /// Losses of the global batch.
  fileprivate func sum(_ terms: Losses.Terms) -> Losses.Terms {
    var values = [terms.semantic, terms.edge, terms.task]
    sum(&values)
    return Losses.Terms(semantic: values[0], edge: values[1], task: values[2])
  }

  /// Losses of the global batch, the dual-task loss among them.
  fileprivate func sum(_ terms: Losses.Terms, dual: Double, weight: Double) -> JointLoss {
    var values = [terms.semantic, terms.edge, terms.task, dual]
    sum(&values)
    return JointLoss(semantic: values[0], edge: values[1], task: values[2], dual: values[3], dualWeight: weight)
  }
}
