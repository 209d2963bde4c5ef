import Benchmarks
import Foundation
import Planning
import Testing

@Suite("Plans, against arithmetic by hand")
struct PlanTests {
  /// A step of two images: 2 s forward, 4 s backward, 0.5 s update; two buckets, ready after half and all of the backward
  /// pass.
  private static let step = StepMeasurement(
    images: 2, height: 32, width: 32, threads: 1, forward: 2, backward: 4, update: 0.5, fixedMegabytes: 1000,
    stepMegabytes: 500, buckets: [.init(bytes: 80_000_000, ready: 0.5), .init(bytes: 20_000_000, ready: 1)],
    forwardSums: [1000, 1000], backwardSums: [2000])

  /// A link of 100 MB/s and 1 ms, equal ranks, and free communication in memory.
  private func cluster(nodes: Int, ranksPerNode: Int = 1, latency: Double = 1e-3) -> Cluster {
    var cluster = Cluster(
      nodes: nodes, ranksPerNode: ranksPerNode, threads: 1, linkBytesPerSecond: 100e6, linkLatency: latency,
      memorySecondsPerByte: 0, spread: 0)
    cluster.memoryLatency = 0
    return cluster
  }

  @Test("A single rank takes the measured time, scaled by its images")
  func singleRank() {
    let model = CostModel(step: Self.step)
    let two = model.predict(cluster(nodes: 1), batchSize: 2)
    #expect(two.stepSeconds == 6.5 && two.efficiency == 1 && two.gradientSeconds == 0 && two.memoryMegabytes == 1500)
    let four = model.predict(cluster(nodes: 1), batchSize: 4)
    #expect(four.stepSeconds == 12.5 && four.memoryMegabytes == 2000 && four.stepsPerEpoch == 743)
  }

  @Test("A step of several batches passes over each and updates once; its images are those of all batches")
  func accumulation() {
    var workload = CostModel.Workload()
    (workload.accumulate, workload.epochs) = (3, 1)
    let three = CostModel(step: Self.step, workload: workload).predict(cluster(nodes: 1), batchSize: 2)
    #expect(three.stepSeconds == 18.5 && three.efficiency == 1 && three.imagesPerSecond == 6 / 18.5)
    #expect(three.stepsPerEpoch == 495 && abs(three.trainingHours - three.epochSeconds / 3600) < 1e-9)
    #expect(three.memoryMegabytes == 1600, "and the sum of the gradients")
  }

  @Test("A training of so many steps takes as many with every batch, and a validation after each epoch of them")
  func steps() {
    var workload = CostModel.Workload()
    workload.steps = 2000
    let model = CostModel(step: Self.step, workload: workload)
    for (batch, stepsPerEpoch) in [(2, 1487.0), (8, 371.0)] {
      let prediction = model.predict(cluster(nodes: 1), batchSize: batch)
      #expect(abs(prediction.trainingHours - 2000 / stepsPerEpoch * prediction.epochSeconds / 3600) < 1e-9)
    }
  }

  @Test(
    "An all-reduce by recursive halving and doubling sends 2 (1 − 1/N) arrays over a link, whatever the ranks per node")
  func sums() {
    for ranksPerNode in [1, 4] {
      let seconds = cluster(nodes: 4, ranksPerNode: ranksPerNode).seconds(allReduceOf: 100_000_000).link
      #expect(abs(seconds - (2 * 0.75 + 4e-3)) < 1e-12)
    }
    #expect(cluster(nodes: 1).seconds(allReduceOf: 1000).link == 0)
    let three = cluster(nodes: 3).seconds(allReduceOf: 90_000_000).link
    #expect(abs(three - (2 * 0.6 + 4e-3)) < 1e-12)
    #expect(abs(cluster(nodes: 8).seconds(smallAllReduceOf: 100_000) - 3 * 2e-3) < 1e-12)
  }

  @Test("The exposed part of the gradient all-reduce is added to the step")
  func overlap() {
    let model = CostModel(step: Self.step)
    // The first bucket is summed from 4 s to 4.8 s, overlapped; the second after the backward pass, for 0.2 s.
    let two = model.predict(cluster(nodes: 2, latency: 0), batchSize: 4)
    #expect(abs(two.gradientSeconds - 1) < 1e-9)
    #expect(abs(two.exposedSeconds - 0.2) < 1e-9, "\(two)")
    #expect(abs(two.stepSeconds - (6.5 + two.sumSeconds + 0.2)) < 1e-9)
    #expect(abs(two.computeSeconds - 6.5) < 1e-9)
    // A slow link needs longer than the backward pass: the step is as long as the all-reduce.
    var slow = cluster(nodes: 2, latency: 0)
    slow.linkBytesPerSecond = 1e6
    let bound = model.predict(slow, batchSize: 4)
    #expect(bound.exposedSeconds > 90 && bound.efficiency < 0.1)
  }

  /// The prediction for four ranks whose backward pass has ten small all-reduces, over links without latency.
  private func tenSums(
    bytesPerSecond: Double, workload: CostModel.Workload = CostModel.Workload()
  ) -> CostModel.Prediction {
    var step = Self.step
    step.backwardSums = [Int](repeating: 8, count: 10)
    var four = cluster(nodes: 4, latency: 0)
    four.linkBytesPerSecond = bytesPerSecond
    return CostModel(step: step, workload: workload).predict(four, batchSize: 8)
  }

  @Test("Gradients that travel in bfloat16 take half the time, and others wait half as long behind them")
  func bfloat16() {
    var workload = CostModel.Workload()
    let float = tenSums(bytesPerSecond: 1e6, workload: workload)
    workload.gradientTransport = .bfloat16
    let half = tenSums(bytesPerSecond: 1e6, workload: workload)
    #expect(abs(half.gradientSeconds - float.gradientSeconds / 2) < 1e-6)
    #expect(abs(half.sumSeconds - float.sumSeconds / 2) < 0.05 * float.sumSeconds)
    #expect(half.memoryMegabytes == float.memoryMegabytes)
  }

  @Test("Small all-reduces wait behind gradients on the link, in each round")
  func queue() {
    // The link is busy throughout: ten sums, two rounds each, behind 1 MiB at 1 MB/s.
    #expect(abs(tenSums(bytesPerSecond: 1e6).sumSeconds - 10 * 2 * 1.048576) < 0.01)
    #expect(tenSums(bytesPerSecond: 1e12).sumSeconds < 1e-3)
  }

  @Test("Each small all-reduce costs the latency once per doubling of the ranks")
  func latency() {
    let model = CostModel(step: Self.step)
    func sums(_ nodes: Int, _ latency: Double) -> Double {
      model.predict(cluster(nodes: nodes, latency: latency), batchSize: nodes).sumSeconds
    }
    #expect(abs(sums(2, 0.1) - sums(2, 0) - 3 * 0.1) < 0.01)
    #expect(abs(sums(1024, 0.1) - sums(1024, 0) - 3 * 10 * 0.1) < 0.01)
  }

  @Test("Unequal shares and unequal ranks cost the time of the slowest")
  func imbalance() {
    let model = CostModel(step: Self.step)
    let uneven = model.predict(cluster(nodes: 4, latency: 0), batchSize: 5)
    #expect(uneven.share == 2)
    #expect(uneven.efficiency < 5.0 / 8)
    var spread = cluster(nodes: 4, latency: 0)
    spread.spread = 0.1
    #expect(abs(spread.slowdown - (1 + 0.1 * (2 * log(4.0)).squareRoot())) < 1e-12)
    #expect(abs(model.predict(spread, batchSize: 8).computeSeconds - (6 * spread.slowdown + 0.5)) < 1e-9)
  }

  @Test("The advice raises a batch that is too small, and distributes a validation that takes most of the time")
  func advice() throws {
    let model = CostModel(step: Self.step)
    let few = cluster(nodes: 16)
    let text = PlanReport(model, [.init(few, model, batchSize: 4)], batchSize: 4).text
    #expect(text.contains("16 ranks: --batch-size 4 is too small for one image per rank; raise it to 16"))
    #expect(text.contains("the gradient all-reduce takes 1.89 s"))
    let raised = try #require(model.smallestBatch(few, efficiency: 0.9))
    #expect(text.contains("for 90 % give --batch-size \(raised)"))
    #expect(model.predict(few, batchSize: raised).efficiency >= 0.9)
    #expect(model.predict(few, batchSize: raised / 2).efficiency < 0.9)
    #expect(text.contains("with --validate-on all"))
    let three = PlanReport(model, [.init(cluster(nodes: 3), model, batchSize: 4)], batchSize: 4).text
    #expect(three.contains("give a multiple of 3") && three.contains("not a power of two"))
    #expect(!three.contains("for 90 %"), "unequal shares have their own advice")
    let single = PlanReport(model, [.init(cluster(nodes: 1), model, batchSize: 4)], batchSize: 4).text
    #expect(!single.contains("1 rank:"))
  }
}
