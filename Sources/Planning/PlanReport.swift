import Foundation

/// Predictions for people: a line each, and what they advise.
package struct PlanReport {
  /// The predictions for one number of nodes, by growing batch.
  package struct Block {
    package let cluster: Cluster
    package let predictions: [CostModel.Prediction]

    /// - Parameter batchSize: the batch that was asked for; four batches from there on, by powers of two, as long as ten
    ///   steps are left in an epoch. Fewer images than ranks are raised to one a rank.
    package init(_ cluster: Cluster, _ model: CostModel, batchSize: Int) {
      self.cluster = cluster
      let first = max(batchSize, cluster.ranks)
      let batches = (0..<4).map { first << $0 }.filter { $0 == first || $0 * 10 <= model.run.images }
      predictions = batches.map { model.predict(cluster, batchSize: $0) }
    }
  }

  private let model: CostModel
  private let blocks: [Block]
  private let asked: Int

  package init(_ model: CostModel, _ blocks: [Block], batchSize: Int) {
    self.model = model
    self.blocks = blocks
    asked = batchSize
  }

  /// Wide enough for thousands of ranks, narrow enough for a terminal of 100 columns.
  package var text: String {
    ([facts, "", Self.head] + blocks.flatMap { $0.predictions.map(Self.line) } + [""] + blocks.flatMap(advice))
      .joined(separator: "\n")
  }

  private var facts: String {
    let step = model.step
    let sums = step.forwardSums.count + step.backwardSums.count
    return String(
      format: """
        measured  %d images of %d×%d on %d threads: %.2f s forward, %.2f s back, %.2f s update; %.1f GB
        exchange  %.0f MB of gradients in %d sums, beside the backward pass; %d small sums that the step waits for
        """,
      step.images, step.width, step.height, step.threads, step.forward, step.backward, step.update,
      (step.fixedMegabytes + step.stepMegabytes) / 1e3, Double(step.gradientBytes) / 1e6, step.buckets.count, sums)
  }

  private static let head =
    "nodes  ranks  batch  share   step s  compute    sums  gradients  not hidden  efficiency  pict./s  GB/rank  epoch min  total h"

  private static func line(_ prediction: CostModel.Prediction) -> String {
    String(
      format: "%5d  %5d  %5d  %5d  %7.2f  %7.2f  %6.2f  %9.2f  %10.2f  %8.1f %%  %7.2f  %7.1f  %9.1f  %7.1f",
      prediction.nodes, prediction.ranks, prediction.batchSize, prediction.share, prediction.stepSeconds,
      prediction.computeSeconds, prediction.sumSeconds, prediction.gradientSeconds, prediction.exposedSeconds,
      100 * prediction.efficiency, prediction.imagesPerSecond, prediction.memoryMegabytes / 1e3,
      prediction.epochSeconds / 60, prediction.trainingHours)
  }

  /// What a row cannot say.
  private func advice(_ block: Block) -> [String] {
    let (cluster, ranks) = (block.cluster, block.cluster.ranks)
    guard let first = block.predictions.first else { return [] }
    var lines: [String] = []
    let name = "\(ranks) \(ranks == 1 ? "rank" : "ranks"): "
    if asked < ranks {
      lines.append("\(name)--batch-size \(asked) feeds \(asked) of them; raise it to \(ranks), or start fewer")
    }
    if first.batchSize % ranks != 0 {
      lines.append(
        "\(name)a batch of \(first.batchSize) gives some ranks an image less, which then wait; "
          + "give a multiple of \(ranks)")
    }
    if !cluster.isPowerOfTwo {
      lines.append(
        "\(name)no power of two: a sum takes \(2 * (ranks - 1)) messages a rank, and no other number gives its bits")
    }
    if first.efficiency < 0.9 {
      let cause =
        first.exposedSeconds > max(first.sumSeconds, 0.1 * first.stepSeconds)
        ? String(
          format: "the exchange of gradients takes %.2f s, longer than the backward pass hides", first.gradientSeconds)
        : String(format: "%.2f s of a step are spent waiting", first.sumSeconds + first.exposedSeconds)
      let remedy =
        model.smallestBatch(cluster, efficiency: 0.9).map { "for 90 % give --batch-size \($0)" }
        ?? "no batch that leaves ten steps in an epoch reaches 90 %: a faster link, or fewer ranks of more threads"
      lines.append("\(name)\(cause); \(remedy)")
    }
    if ranks > 1, model.run.validators == .rank0, first.validationSeconds > 0.1 * first.epochSeconds {
      lines.append(
        String(
          format: "%@validation on rank 0 alone takes %.0f %% of an epoch; with --validate-on all about %.0f s", name,
          100 * first.validationSeconds / first.epochSeconds, first.validationSeconds / Double(ranks)))
    }
    return lines
  }
}

extension PlanReport {
  /// Everything that the predictions come from, and they, as one JSON object, the names in snake case.
  package var json: String {
    struct Plan: Encodable {
      let model: CostModel
      let clusters: [Cluster]
      let predictions: [CostModel.Prediction]
    }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    let plan = Plan(model: model, clusters: blocks.map(\.cluster), predictions: blocks.flatMap(\.predictions))
    return (try? encoder.encode(plan)).flatMap { String(data: $0, encoding: .utf8) } ?? ""
  }
}
