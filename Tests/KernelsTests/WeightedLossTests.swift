import Foundation
import Kernels
import Tensors
import Testing

@Suite("Class weights and hard example mining", .everyInstructionSet)
struct WeightedLossTests {
  /// The losses of a batch, as the program computes them.
  private struct Result {
    let kept: [UInt8]?
    let counts: Losses.PixelCounts
    let terms: Losses.Terms
    let gradients: Losses.Gradients
  }

  private struct Batch {
    let logits: Tensor
    let edge: Tensor
    let target: [UInt8]

    func options(_ weights: [Double]?, _ mining: HardExampleMining?) -> Losses.Options {
      Losses.Options(ignoreIndex: 255, edgeThreshold: 0.8, edgeWeight: 20, classWeights: weights, mining: mining)
    }

    func evaluated(
      _ weights: [Double]?, _ mining: HardExampleMining?, counts: Losses.PixelCounts? = nil, on workers: WorkerPool
    ) -> Result {
      let options = options(weights, mining)
      let boundary = [UInt8](repeating: 0, count: target.count)
      let kept = Losses.kept(logits: logits, target: target, options, on: workers)
      let counts =
        counts ?? Losses.counts(edge: edge, target: target, boundary: boundary, kept: kept, options, on: workers)
      let (terms, gradients) = Losses.termsAndGradients(
        logits: logits, edge: edge, target: target, boundary: boundary, kept: kept, counts: counts, options, on: workers
      )
      return Result(kept: kept, counts: counts, terms: terms, gradients: gradients)
    }

    /// Images of the batch as a batch.
    func images(_ range: Range<Int>) -> Batch {
      let (shape, pixels) = (logits.shape, logits.shape.pixelsPerImage)
      func part(_ tensor: Tensor) -> Tensor {
        var shape = tensor.shape
        shape.images = range.count
        let size = pixels * shape.channels
        return Tensor(shape, dense: Array(tensor.dense[range.lowerBound * size..<range.upperBound * size]))
      }
      precondition(shape.images >= range.upperBound)
      return Batch(
        logits: part(logits), edge: part(edge),
        target: Array(target[range.lowerBound * pixels..<range.upperBound * pixels]))
    }
  }

  private func batch(_ shape: Shape) -> Batch {
    var random = RandomNumbers(named: "weighted \(shape)")
    return Batch(
      logits: Tensor(shape, dense: randomTensor("logits \(shape)", shape).dense.map { 4 * $0 }),
      edge: Tensor(shape.with(channels: 1), dense: (0..<shape.pixels).map { _ in random.uniform() }),
      target: (0..<shape.pixels).map { _ in
        random.uniform(below: 5) == 0 ? 255 : UInt8(random.uniform(below: shape.channels))
      })
  }

  @Test("Losses, gradients and the number of kept pixels agree with PyTorch's in double precision")
  func pyTorch() throws {
    let item = try LossFixture.read().weighted
    var random = RandomNumbers(named: "edge")
    let edge = Tensor(item.shape.with(channels: 1), dense: (0..<item.shape.pixels).map { _ in random.uniform() })
    let batch = Batch(logits: item.logits, edge: edge, target: item.target)
    #expect(item.results.count == 4)
    for expected in item.results {
      let mining = expected.threshold.map {
        HardExampleMining(threshold: $0, minimumKept: expected.minimumKept ?? 0)
      }
      let result = batch.evaluated(
        expected.weighted ? item.weights : nil, mining, on: WorkerPool.underTest(threads: 2))
      #expect(result.kept.map { $0.count { $0 == 1 } } ?? Int(result.counts.valid) == expected.kept)
      #expect(abs(result.terms.semantic / expected.semantic - 1) < 1e-6)
      #expect(abs(result.terms.task / expected.task - 1) < 1e-6)
      expectClose(result.gradients.logits, expected.gradient.floats, within: 1e-7)
    }
  }

  @Test("Weights of 1 and a mining that keeps every pixel change no bit")
  func neutral() {
    let batch = batch(Shape(3, 5, 7, 19))
    let workers = WorkerPool.underTest(threads: 2)
    let plain = batch.evaluated(nil, nil, on: workers)
    for (weights, mining) in [
      ([Double](repeating: 1, count: 19), nil), (nil, HardExampleMining(threshold: 0.1, minimumKept: 35)),
    ] {
      let result = batch.evaluated(weights, mining, on: workers)
      #expect(result.terms == plain.terms && result.counts == plain.counts)
      #expect(bits(result.gradients.logits) == bits(plain.gradients.logits))
    }
  }

  @Test("The pixels kept are those of the rule, also with ties and with fewer pixels than the least number")
  func rule() {
    let workers = WorkerPool.underTest(threads: 2)
    // The probability of class 0 is 1 / (1 + e^z).
    let logits: [Float] = [3, 0, -1, 3, -2, 2, 2, 2, -4, 1]
    let shape = Shape(1, 2, 5, 2)
    let batch = Batch(
      logits: Tensor(shape, dense: logits.flatMap { [0, $0] }),
      edge: Tensor(shape.with(channels: 1), dense: [Float](repeating: 0, count: 10)),
      target: [0, 0, 0, 255, 0, 0, 0, 0, 0, 0])
    func kept(_ threshold: Double, _ minimum: Int) -> [UInt8]? {
      batch.evaluated(nil, HardExampleMining(threshold: threshold, minimumKept: minimum), on: workers).kept
    }
    #expect(kept(0.4, 0) == [1, 0, 0, 0, 0, 1, 1, 1, 0, 1], "probabilities below 0.4")
    #expect(kept(0.01, 0) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(kept(0.01, 1) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "the hardest labeled one")
    #expect(kept(0.01, 2) == [1, 0, 0, 0, 0, 1, 1, 1, 0, 0], "three are second")
    #expect(kept(0.01, 4) == [1, 0, 0, 0, 0, 1, 1, 1, 0, 0])
    #expect(kept(0.01, 5) == [1, 0, 0, 0, 0, 1, 1, 1, 0, 1])
    #expect(kept(0.8, 1) == [1, 1, 1, 0, 0, 1, 1, 1, 0, 1], "the threshold keeps more than the least number")
    #expect(kept(0.01, 100) == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1])
  }

  @Test("Of the hardest pixels among many the boundary is exact", arguments: [1, 7, 100, 1000, 1599, 1600, 5000])
  func selection(minimum: Int) throws {
    let batch = batch(Shape(2, 40, 40, 3))
    let workers = WorkerPool.underTest(threads: 2)
    let kept = try #require(
      batch.evaluated(nil, HardExampleMining(threshold: 1e-9, minimumKept: minimum), on: workers).kept)
    for image in 0..<2 {
      let pixels = (image * 1600..<(image + 1) * 1600).filter { batch.target[$0] != 255 }
      let probability = Dictionary(
        uniqueKeysWithValues: pixels.map { pixel in
          let z = batch.logits.dense[3 * pixel..<3 * pixel + 3].map { exp(Double($0)) }
          return (pixel, z[Int(batch.target[pixel])] / z.reduce(0, +))
        })
      let hardest = Set(pixels.sorted { probability[$0, default: 1] < probability[$1, default: 1] }.prefix(minimum))
      #expect(Set((image * 1600..<(image + 1) * 1600).filter { kept[$0] == 1 }) == hardest)
    }
  }

  @Test("Without a pixel that counts, with weights of 0 or without labels, losses are 0 and not NaN")
  func nothingToCount() {
    let batch = batch(Shape(2, 3, 4, 2))
    let workers = WorkerPool.underTest(threads: 2)
    let unlabeled = Batch(logits: batch.logits, edge: batch.edge, target: [UInt8](repeating: 255, count: 24))
    let zeros = Batch(logits: batch.logits, edge: batch.edge, target: [UInt8](repeating: 0, count: 24))
    for (batch, weights) in [(unlabeled, [1.0, 2.0]), (zeros, [0.0, 1.0])] {
      let result = batch.evaluated(weights, HardExampleMining(), on: workers)
      #expect(result.terms.semantic == 0 && result.terms.task == 0)
      #expect(result.gradients.logits.dense.allSatisfy { $0 == 0 })
    }
  }

  @Test("NaN in a logit propagates to the loss through hard example mining")
  func undefined() {
    let shape = Shape(1, 1, 3, 2)
    let batch = Batch(
      logits: Tensor(shape, dense: [0, .nan, 0, 1, 1, 0]), edge: Tensor(shape.with(channels: 1), dense: [0, 0, 0]),
      target: [0, 0, 0])
    for minimum in 0...3 {
      let mining = HardExampleMining(threshold: 0.2, minimumKept: minimum)
      #expect(batch.evaluated(nil, mining, on: WorkerPool.underTest(threads: 1)).terms.semantic.isNaN)
    }
  }

  @Test("Losses and gradients of the ranks are those of the whole batch, bit for bit", arguments: [1, 2, 4])
  func shares(ranks: Int) throws {
    let workers = WorkerPool.underTest(threads: 2)
    let weights = (0..<19).map { 1 / log(1.02 + Double($0) / 40) }
    for width in 1...12 {
      let whole = batch(Shape(4, 5, width, 19))
      let mining = HardExampleMining(threshold: 0.05, minimumKept: 2 * width)
      let expected = whole.evaluated(weights, mining, on: workers)
      let batches = (0..<ranks).map { whole.images($0 * 4 / ranks..<($0 + 1) * 4 / ranks) }
      let parts = batches.map { $0.evaluated(weights, mining, on: workers) }
      #expect(parts.flatMap { $0.kept ?? [] } == expected.kept)
      #expect(
        PairwiseSum.total(parts.map { [$0.counts.semanticWeight, $0.counts.taskWeight] })
          == [expected.counts.semanticWeight, expected.counts.taskWeight])
      let results = batches.map { $0.evaluated(weights, mining, counts: expected.counts, on: workers) }
      #expect(
        PairwiseSum.total(results.map { [$0.terms.semantic, $0.terms.task] })
          == [expected.terms.semantic, expected.terms.task])
      #expect(results.flatMap { $0.gradients.logits.dense } == expected.gradients.logits.dense)
    }
  }

  @Test("The number of threads changes no bit")
  func threads() {
    let batch = batch(Shape(3, 37, 21, 19))
    let weights = (0..<19).map { 0.1 + Double($0) }
    let one = batch.evaluated(weights, HardExampleMining(threshold: 0.3, minimumKept: 300), on: .underTest(threads: 1))
    for threads in 2...3 {
      let result = batch.evaluated(
        weights, HardExampleMining(threshold: 0.3, minimumKept: 300), on: .underTest(threads: threads))
      #expect(result.terms == one.terms && result.kept == one.kept && result.counts == one.counts)
      #expect(bits(result.gradients.logits) == bits(one.gradients.logits))
    }
  }
}
