import Cityscapes
import Foundation
import GatedSCNN
import Tensors
import Testing
import Training

/// The arithmetic of predictions, by hand.
@Suite("Plans")
struct PlanTests {
  /// A step of two images: 2 s, 4 s back, and 0.5 s of update; two buckets, complete after half and all of the backward pass.
  static let step = {
    var step = StepMeasurement(.resnet50, images: 2, size: Size(32, 32), workers: WorkerPool(threads: 1))
    (step.forward, step.backward, step.update) = (2, 4, 0.5)
    (step.fixedMegabytes, step.stepMegabytes) = (1000, 500)
    step.buckets = [.init(bytes: 80_000_000, ready: 0.5), .init(bytes: 20_000_000, ready: 1)]
    (step.forwardSums, step.backwardSums) = ([1000, 1000], [2000])
    return step
  }()

  /// 100 MB/s and 1 ms, ranks alike, memory that costs nothing.
  private func cluster(nodes: Int, ranksPerNode: Int = 1, latency: Double = 1e-3) -> Cluster {
    var cluster = Cluster(
      nodes: nodes, ranksPerNode: ranksPerNode, threads: 1, linkBytesPerSecond: 100e6, linkLatency: latency,
      memorySecondsPerByte: 0, spread: 0)
    cluster.memoryLatency = 0
    return cluster
  }

  @Test("A rank by itself takes what was measured, by its images")
  func singleRank() {
    let model = CostModel(step: Self.step)
    let two = model.predict(cluster(nodes: 1), batchSize: 2)
    #expect(two.stepSeconds == 6.5 && two.efficiency == 1 && two.gradientSeconds == 0 && two.memoryMegabytes == 1500)
    let four = model.predict(cluster(nodes: 1), batchSize: 4)
    #expect(four.stepSeconds == 12.5 && four.memoryMegabytes == 2000 && four.stepsPerEpoch == 743)
  }

  @Test("A sum by halving and doubling loads the link with two arrays less a node's, whatever the ranks of a node")
  func sums() {
    for ranksPerNode in [1, 4] {
      let seconds = cluster(nodes: 4, ranksPerNode: ranksPerNode).seconds(sumOf: 100_000_000).link
      #expect(abs(seconds - (2 * 0.75 + 4e-3)) < 1e-12)
    }
    #expect(cluster(nodes: 1).seconds(sumOf: 1000).link == 0)
    let three = cluster(nodes: 3).seconds(sumOf: 90_000_000).link
    #expect(abs(three - (2 * 0.6 + 4e-3)) < 1e-12)
    #expect(abs(cluster(nodes: 8).seconds(smallSumOf: 100_000) - 3 * 2e-3) < 1e-12)
  }

  @Test("What the backward pass does not hide of the gradients' sums is added to the step")
  func overlap() {
    let model = CostModel(step: Self.step)
    // The first bucket travels from 4 s to 4.8 s, hidden; the second from the end of the backward pass, for 0.2 s.
    let two = model.predict(cluster(nodes: 2, latency: 0), batchSize: 4)
    #expect(abs(two.gradientSeconds - 1) < 1e-9)
    #expect(abs(two.exposedSeconds - 0.2) < 1e-9, "\(two)")
    #expect(abs(two.stepSeconds - (6.5 + two.sumSeconds + 0.2)) < 1e-9)
    #expect(abs(two.computeSeconds - 6.5) < 1e-9)
    // Half an image's compute hides less than a slow link needs: the step is as long as the exchange.
    var slow = cluster(nodes: 2, latency: 0)
    slow.linkBytesPerSecond = 1e6
    let bound = model.predict(slow, batchSize: 4)
    #expect(bound.exposedSeconds > 90 && bound.efficiency < 0.1)
  }

  @Test("Small sums wait behind gradients that are on the link, in each round")
  func queue() {
    var step = Self.step
    step.backwardSums = [Int](repeating: 8, count: 10)
    // Gradients that travel all the time: ten sums, two rounds each, behind 1 MiB at 1 MB/s.
    var slow = cluster(nodes: 4, latency: 0)
    slow.linkBytesPerSecond = 1e6
    let waiting = CostModel(step: step).predict(slow, batchSize: 8).sumSeconds
    #expect(abs(waiting - 10 * 2 * 1.048576) < 0.01)
    slow.linkBytesPerSecond = 1e12
    #expect(CostModel(step: step).predict(slow, batchSize: 8).sumSeconds < 1e-3)
  }

  @Test("Latency costs a round for each doubling of the ranks and each sum that the step waits for")
  func latency() {
    let model = CostModel(step: Self.step)
    func sums(_ nodes: Int, _ latency: Double) -> Double {
      model.predict(cluster(nodes: nodes, latency: latency), batchSize: nodes).sumSeconds
    }
    #expect(abs(sums(2, 0.1) - sums(2, 0) - 3 * 0.1) < 0.01)
    #expect(abs(sums(1024, 0.1) - sums(1024, 0) - 3 * 10 * 0.1) < 0.01)
  }

  @Test("Shares that differ, and ranks that differ, cost what the slowest takes")
  func imbalance() {
    let model = CostModel(step: Self.step)
    let uneven = model.predict(cluster(nodes: 4, latency: 0), batchSize: 5)
    #expect(uneven.share == 2)
    #expect(uneven.efficiency < 5.0 / 8)
    var spread = cluster(nodes: 4, latency: 0)
    spread.spread = 0.1
    #expect(abs(spread.slowest - (1 + 0.1 * (2 * log(4.0)).squareRoot())) < 1e-12)
    #expect(abs(model.predict(spread, batchSize: 8).computeSeconds - (6 * spread.slowest + 0.5)) < 1e-9)
  }

  @Test("The advice raises a batch that is too small, and shares out a validation that takes most of the time")
  func advice() throws {
    let model = CostModel(step: Self.step)
    let few = cluster(nodes: 16)
    let text = PlanReport(model, [.init(few, model, batchSize: 4)], batchSize: 4).text
    #expect(text.contains("16 ranks: --batch-size 4 feeds 4 of them; raise it to 16"))
    #expect(text.contains("the exchange of gradients takes 1.89 s"))
    let raised = try #require(model.smallestBatch(few, efficiency: 0.9))
    #expect(text.contains("for 90 % give --batch-size \(raised)"))
    #expect(model.predict(few, batchSize: raised).efficiency >= 0.9)
    #expect(model.predict(few, batchSize: raised / 2).efficiency < 0.9)
    #expect(text.contains("with --validate-on all"))
    let three = PlanReport(model, [.init(cluster(nodes: 3), model, batchSize: 4)], batchSize: 4).text
    #expect(three.contains("give a multiple of 3") && three.contains("no power of two"))
    let single = PlanReport(model, [.init(cluster(nodes: 1), model, batchSize: 4)], batchSize: 4).text
    #expect(!single.contains("1 rank:"))
  }

  @Test(
    "A step on this machine is taken apart: buckets of all gradients, in the order of the backward pass, and sums of batch norm"
  )
  func measure() {
    let step = StepMeasurement(.resnet50, images: 2, size: Size(32, 32), workers: WorkerPool(threads: 1))
    #expect(step.gradientBytes >= 4 * GatedSCNN(.resnet50, seed: 1).store.parameterCount)
    #expect(step.buckets.map(\.ready) == step.buckets.map(\.ready).sorted())
    #expect(step.buckets.allSatisfy { $0.ready > 0 && $0.ready <= 1 })
    // The losses make two sums, and nothing on the backward pass.
    #expect(step.forwardSums.count == step.backwardSums.count + 2)
    #expect(step.forward > 0 && step.backward > 0 && step.update > 0 && step.fixedMegabytes > 450)
    let larger = step.scaled(to: Size(64, 64))
    #expect(larger.forward == 4 * step.forward && larger.update == step.update)
  }
}
