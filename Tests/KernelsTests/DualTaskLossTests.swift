import Foundation
import Kernels
import Tensors
import Testing

@Suite("Dual-task loss", .everyInstructionSet)
struct DualTaskLossTests {
  private func options(_ variant: DualTaskLoss.Variant, temperature: Float? = nil) -> DualTaskLoss.Options {
    DualTaskLoss.Options(variant, temperature: temperature ?? (variant == .paper ? 1 : 0.5), ignoreIndex: 255)
  }

  /// Images with regions of labels, some void pixels, and logits that mostly agree with them.
  private struct Images {
    let logits: Tensor
    let target: [UInt8]
    let noise: [RandomNumbers]

    init(_ shape: Shape) {
      var target = [UInt8]()
      for image in 0..<shape.images {
        for y in 0..<shape.height {
          for x in 0..<shape.width {
            let label = (x / 5 + (y + image) / 4) % shape.channels
            target.append(x % 13 == 4 && y % 7 < 3 ? 255 : UInt8(label))
          }
        }
      }
      let random = randomTensor("dual task \(shape)", shape).dense
      logits = Tensor(
        shape,
        dense: random.indices.map { index in
          4 * random[index] + (Int(target[index / shape.channels]) == index % shape.channels ? 4 : 0)
        })
      self.target = target
      noise = (0..<shape.images).map { DualTaskLoss.noise(seed: 1, step: 2, sample: $0) }
    }

    init(logits: Tensor, target: [UInt8], noise: [RandomNumbers]) {
      (self.logits, self.target, self.noise) = (logits, target, noise)
    }

    func sums(_ options: DualTaskLoss.Options, on workers: WorkerPool) -> DualTaskLoss.Sums {
      DualTaskLoss.sums(logits: logits, target: target, noise: noise, options, on: workers)
    }

    /// One image as a batch of its own.
    func image(_ index: Int) -> Images {
      let pixels = logits.shape.pixelsPerImage
      return Images(
        logits: KernelsTests.image(index, of: logits),
        target: Array(target[index * pixels..<(index + 1) * pixels]), noise: [noise[index]])
    }
  }

  @Test("Value and gradient agree with PyTorch's in double precision", arguments: DualTaskLoss.Variant.allCases)
  func pyTorch(variant: DualTaskLoss.Variant) throws {
    let fixture = try LossFixture.read()
    #expect(fixture.dualTask.count == 5)
    for item in fixture.dualTask {
      let expected = try #require(item.results[variant.rawValue])
      let result = DualTaskLoss.sums(
        logits: item.logits, target: item.target, noise: fixture.noise, options(variant),
        on: WorkerPool.underTest(threads: 2))
      #expect(result.terms == expected.terms, "\(item.name)")
      for (sum, reference) in zip(result.sums, expected.sums) {
        #expect(abs(sum - reference) <= 5e-6 * max(reference, 1), "\(item.name): \(sum), not \(reference)")
      }
      let gradient = try #require(result.gradient)
      expectClose(gradient, expected.gradient.floats, within: 2e-5)
    }
  }

  @Test("In the paper's variant pixels without a boundary in prediction and labels do not count")
  func terms() throws {
    let fixture = try LossFixture.read()
    let item = try #require(fixture.dualTask.last)
    let all = item.shape.pixels * item.classes
    let counts = DualTaskLoss.Variant.allCases.map { variant in
      DualTaskLoss.sums(
        logits: item.logits, target: item.target, noise: fixture.noise, options(variant), on: WorkerPool(threads: 1)
      ).terms
    }
    #expect(counts[0] == all && counts[1] == all)
    #expect(counts[2] > all / 3 && counts[2] < all)
  }

  @Test("The noise is that of PyTorch's fixture: a function of seed, step, sample, class, row and column")
  func noise() throws {
    let fixture = try LossFixture.read()
    let noise = DualTaskLoss.noise(seed: fixture.seed, step: fixture.step, sample: 5)
    for (index, expected) in fixture.gumbel.enumerated() {
      let uniform = Double(noise.bits(at: index) >> 40) / 16_777_216
      #expect(abs(-log(1e-10 - log(uniform + 1e-10)) - expected) < 1e-12)
    }
    let others = [(2, 3, 5), (7, 4, 5), (7, 3, 6)].map { seed, step, sample in
      DualTaskLoss.noise(seed: UInt64(seed), step: step, sample: sample).bits(at: 0)
    }
    #expect(Set(others + [noise.bits(at: 0), noise.bits(at: 1)]).count == 5)
  }

  @Test(
    "Gradients agree with finite differences of the value", arguments: DualTaskLoss.Variant.allCases,
    [Shape(1, 7, 11, 3), Shape(1, 4, 9, 2), Shape(1, 1, 6, 5), Shape(1, 2, 2, 4)])
  func finiteDifferences(variant: DualTaskLoss.Variant, shape: Shape) throws {
    let images = Images(shape)
    let workers = WorkerPool.underTest(threads: 2)
    let formula = DualTaskFormula(variant, temperature: variant == .paper ? 1 : 0.5)
    let z = images.logits.dense.map(Double.init)
    func value(_ z: [Double]) -> Double { formula.sum(z, shape, images.target, images.noise[0]) }
    let result = images.sums(options(variant), on: workers)
    #expect(abs(result.sums[0] - value(z)) < 1e-5 * max(value(z), 1))
    let slopes = z.indices.map { index in
      let step = 1e-6
      var moved = z
      moved[index] += step
      let above = value(moved)
      moved[index] = z[index] - step
      return (above - value(moved)) / (2 * step)
    }
    expectClose(try #require(result.gradient), slopes, within: 3e-5)
  }

  private static let shapes = [Shape(2, 70, 9, 2), Shape(3, 131, 21, 5), Shape(2, 5, 40, 19), Shape(1, 3, 3, 33)]

  @Test("The number of threads changes no bit", arguments: DualTaskLoss.Variant.allCases, shapes)
  func threads(variant: DualTaskLoss.Variant, shape: Shape) throws {
    let images = Images(shape)
    let expected = images.sums(options(variant), on: WorkerPool.underTest(threads: 1))
    #expect(expected.sums.allSatisfy { $0 > 0 })
    expectZeroPadding(try #require(expected.gradient))
    for threads in 2...3 {
      let result = images.sums(options(variant), on: WorkerPool.underTest(threads: threads))
      #expect(result.sums == expected.sums && result.terms == expected.terms)
      #expect(bits(try #require(result.gradient)) == bits(try #require(expected.gradient)))
    }
  }

  @Test("An image has the same bits wherever it is in a batch", arguments: DualTaskLoss.Variant.allCases, shapes)
  func places(variant: DualTaskLoss.Variant, shape: Shape) throws {
    let images = Images(shape)
    let workers = WorkerPool.underTest(threads: 2)
    let whole = images.sums(options(variant), on: workers)
    let parts = (0..<shape.images).map { images.image($0).sums(options(variant), on: workers) }
    #expect(parts.flatMap(\.sums) == whole.sums)
    #expect(parts.reduce(0) { $0 + $1.terms } == whole.terms)
    #expect(parts.flatMap { $0.gradient?.dense ?? [] } == whole.gradient?.dense)
  }

  @Test("Logits of void pixels have no effect and no gradient", arguments: DualTaskLoss.Variant.allCases)
  func void(variant: DualTaskLoss.Variant) throws {
    let shape = Shape(1, 9, 14, 3)
    let images = Images(shape)
    let workers = WorkerPool.underTest(threads: 1)
    var values = images.logits.dense
    let void = images.target.indices.filter { images.target[$0] == 255 }
    #expect(!void.isEmpty)
    for pixel in void { for channel in 0..<3 { values[3 * pixel + channel] = .nan } }
    let other = Images(logits: Tensor(shape, dense: values), target: images.target, noise: images.noise)
    let (expected, result) = (images.sums(options(variant), on: workers), other.sums(options(variant), on: workers))
    #expect(result.sums == expected.sums)
    let gradient = try #require(result.gradient).dense
    #expect(gradient == expected.gradient?.dense)
    for pixel in void { #expect(gradient[3 * pixel..<3 * pixel + 3].allSatisfy { $0 == 0 }) }
  }

  @Test("A sure prediction of the labels has no loss, and large logits give finite losses")
  func certainty() throws {
    let images = Images(Shape(1, 20, 30, 4))
    let workers = WorkerPool.underTest(threads: 2)
    for variant in DualTaskLoss.Variant.allCases {
      let right = images.logits.dense.indices.map { index in
        Int(images.target[index / 4]) == index % 4 ? Float(1e6) : 0
      }
      let sure = Images(
        logits: Tensor(images.logits.shape, dense: right), target: images.target, noise: images.noise)
      #expect(sure.sums(options(variant), on: workers).sums == [0])
      let wrong = Images(
        logits: Tensor(images.logits.shape, dense: right.map { -$0 }), target: images.target, noise: images.noise)
      let result = wrong.sums(options(variant), on: workers)
      #expect(result.sums[0] > 1 && result.sums[0].isFinite)
      #expect(try #require(result.gradient).dense.allSatisfy { $0.isFinite })
    }
  }

  @Test("NaN in a logit of a labeled pixel propagates to the loss", arguments: DualTaskLoss.Variant.allCases)
  func undefined(variant: DualTaskLoss.Variant) {
    let images = Images(Shape(1, 9, 14, 3))
    var values = images.logits.dense
    values[0] = .nan
    let other = Images(logits: Tensor(images.logits.shape, dense: values), target: images.target, noise: images.noise)
    #expect(images.target[0] != 255)
    #expect(other.sums(options(variant), on: WorkerPool.underTest(threads: 1)).sums[0].isNaN)
  }
}
