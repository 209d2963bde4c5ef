import Foundation
import System

/// The predictions as a table with advice, and as JSON.
package struct PlanReport {
  /// The predictions for one cluster, by batch size.
  package struct Scenario {
    package let cluster: Cluster
    package let predictions: [CostModel.Prediction]

    /// - Parameter batchSize: the batch asked for, raised to one image per rank if it is smaller. Up to three doublings of
    ///   it are added, as long as ten steps are left in an epoch.
    package init(_ cluster: Cluster, _ model: CostModel, batchSize: Int) {
      self.cluster = cluster
      let first = max(batchSize, cluster.ranks)
      let batches = (0..<4).map { first << $0 }.filter {
        $0 == first || $0 * model.workload.accumulate * 10 <= model.workload.images
      }
      predictions = batches.map { model.predict(cluster, batchSize: $0) }
    }
  }

  private let model: CostModel
  private let scenarios: [Scenario]
  private let batchSize: Int

  package init(_ model: CostModel, _ scenarios: [Scenario], batchSize: Int) {
    self.model = model
    self.scenarios = scenarios
    self.batchSize = batchSize
  }

  /// The table, whose columns fit thousands of ranks, and the advice.
  package var text: String {
    ([measurement, "", Self.head] + scenarios.flatMap { $0.predictions.map(Self.line) } + [""]
      + scenarios.flatMap(advice))
      .joined(separator: "\n")
  }

  private var measurement: String {
    let step = model.step
    let sums = step.forwardSums.count + step.backwardSums.count
    return String(
      format: """
        step           %d images of %d×%d on %d threads%@: %.2f s forward, %.2f s backward, %.2f s update; %.1f GB
        communication  %.0f MB of gradients%@ in %d buckets, overlapped with the backward pass; %d small all-reduces
        """,
      step.images, step.width, step.height, step.threads,
      model.workload.precision == .bfloat16 ? " in bfloat16" : "", step.forward, step.backward, step.update,
      (step.fixedMegabytes + step.stepMegabytes) / 1e3, Double(step.gradientBytes) / 1e6,
      model.workload.gradientTransport == .bfloat16 ? ", sent as bfloat16," : "", step.buckets.count, sums)
  }

  private static let head =
    "nodes  ranks  batch  share   step s  compute    sums  gradients     exposed  efficiency  images/s  GB/rank  epoch min  total h"

  private static func line(_ prediction: CostModel.Prediction) -> String {
    String(
      format: "%5d  %5d  %5d  %5d  %7.2f  %7.2f  %6.2f  %9.2f  %10.2f  %8.1f %%  %8.2f  %7.1f  %9.1f  %7.1f",
      prediction.nodes, prediction.ranks, prediction.batchSize, prediction.share, prediction.stepSeconds,
      prediction.computeSeconds, prediction.sumSeconds, prediction.gradientSeconds, prediction.exposedSeconds,
      100 * prediction.efficiency, prediction.imagesPerSecond, prediction.memoryMegabytes / 1e3,
      prediction.epochSeconds / 60, prediction.trainingHours)
  }

  /// Findings that a row does not show.
  private func advice(_ scenario: Scenario) -> [String] {
    let (cluster, ranks) = (scenario.cluster, scenario.cluster.ranks)
    guard let first = scenario.predictions.first else { return [] }
    var lines: [String] = []
    let name = "\(ranks) \(ranks == 1 ? "rank" : "ranks"): "
    if batchSize < ranks {
      lines.append(
        "\(name)--batch-size \(batchSize) is too small for one image per rank; raise it to \(ranks), or start fewer")
    }
    if first.stepsPerEpoch == 0 {
      lines.append(
        "\(name)a step of \(first.batchSize * model.workload.accumulate) images is larger than the "
          + "\(model.workload.images) training images, so that an epoch has no step; give a smaller --batch-size or "
          + "--accumulate, fewer ranks or more --images")
    }
    if first.batchSize % ranks != 0 {
      lines.append(
        "\(name)a batch of \(first.batchSize) gives some ranks an image less than others, for which they wait; "
          + "give a multiple of \(ranks)")
    }
    if !cluster.isPowerOfTwo {
      lines.append(
        "\(name)not a power of two: an all-reduce takes \(2 * (ranks - 1)) messages per rank, "
          + "and results are not bit-identical to those of other numbers of ranks"
      )
    }
    // Unequal shares lower the efficiency as well; their remedy is above.
    if first.efficiency < 0.9, first.batchSize % ranks == 0 {
      let cause =
        first.exposedSeconds > max(first.sumSeconds, 0.1 * first.stepSeconds)
        ? String(
          format: "the gradient all-reduce takes %.2f s, more than the backward pass overlaps", first.gradientSeconds)
        : String(format: "%.2f s of a step are communication", first.sumSeconds + first.exposedSeconds)
      let remedy =
        model.smallestBatch(cluster, efficiency: 0.9).map { "for 90 % give --batch-size \($0)" }
        ?? "no batch that leaves ten steps in an epoch reaches 90 %; use a faster link, or fewer ranks with more threads"
      lines.append("\(name)\(cause); \(remedy)")
    }
    if ranks > 1, model.workload.validators == .rank0, first.validationSeconds > 0.1 * first.epochSeconds {
      lines.append(
        String(
          format: "%@validation on rank 0 alone takes %.0f %% of an epoch; with --validate-on all about %.0f s", name,
          100 * first.validationSeconds / first.epochSeconds, first.validationSeconds / Double(ranks)))
    }
    return lines
  }
}

extension PlanReport {
  /// The model, the clusters and the predictions as one JSON object, with snake-case keys.
  package var json: String {
    struct Plan: Encodable {
      let model: CostModel
      let clusters: [Cluster]
      let predictions: [CostModel.Prediction]
    }
    let plan = Plan(model: model, clusters: scenarios.map(\.cluster), predictions: scenarios.flatMap(\.predictions))
    return (try? JSON.encode(plan, .sortedKeys, keys: .convertToSnakeCase)).map { String(decoding: $0, as: UTF8.self) }
      ?? ""
  }
}
