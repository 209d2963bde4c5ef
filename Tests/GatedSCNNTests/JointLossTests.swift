import GatedSCNN
import Kernels
import Layers
import Tensors
import Testing

@Suite("Joint loss")
struct JointLossTests {
  private let workers = WorkerPool(threads: 2)
  private let batch = FormulaValues.Batch(2, 17, 30)
  private let noise = (0..<2).map { DualTaskLoss.noise(seed: 1, step: 4, sample: $0) }

  private func full(_ variant: DualTaskLoss.Variant, weight: Double = 1) -> JointLoss.Configuration {
    var configuration = JointLoss.Configuration()
    configuration.kind = .full
    configuration.dualTask.variant = variant
    configuration.dualTask.weight = weight
    return configuration
  }

  private func sums(_ logits: Tensor, _ variant: DualTaskLoss.Variant, temperature: Float) -> DualTaskLoss.Sums {
    DualTaskLoss.sums(
      logits: logits, target: batch.target, noise: noise,
      DualTaskLoss.Options(variant, temperature: temperature, ignoreIndex: 255), on: workers)
  }

  @Test("The full loss is the standard one and the weighted dual-task loss", arguments: DualTaskLoss.Variant.allCases)
  func total(variant: DualTaskLoss.Variant) throws {
    var random = RandomNumbers(named: "joint loss")
    let shape = Shape(2, 17, 30, 19)
    let logits = Tensor(shape, dense: (0..<shape.pixels * 19).map { _ in 4 * random.uniform() })
    let edge = Tensor(shape.with(channels: 1), dense: (0..<shape.pixels).map { _ in random.uniform() })
    let output = GatedSCNN.Output(logits: Activation(logits), edge: Activation(edge))
    func loss(_ configuration: JointLoss.Configuration) -> JointLoss {
      JointLoss.evaluateAndAddGradients(
        output, target: batch.target, boundary: batch.boundary, configuration, noise: noise, on: workers)
    }
    let standard = JointLoss.evaluate(output, target: batch.target, boundary: batch.boundary, on: workers)
    #expect(loss(JointLoss.Configuration()) == standard && standard.dual == nil)
    var configuration = full(variant, weight: 3)
    for temperature in [nil, 0.75] {
      configuration.dualTask.temperature = temperature
      let loss = loss(configuration)
      let dual = try #require(loss.dual)
      #expect(loss.semantic == standard.semantic && loss.edge == standard.edge && loss.task == standard.task)
      #expect(loss.total == standard.total + 3 * dual)
      let sums = sums(logits, variant, temperature: temperature.map { Float($0) } ?? (variant == .paper ? 1 : 0.5))
      #expect(abs(dual - sums.sums.reduce(0, +) / Double(sums.terms)) < 1e-12)
      #expect(dual > 0.01 && dual < 1)
    }
    configuration.classWeights = .given((0..<19).map { 1 + Double($0) })
    configuration.mining = HardExampleMining(threshold: 0.05, minimumKept: 100)
    let weighted = loss(configuration)
    #expect(weighted.semantic > 1.05 * standard.semantic && weighted.task != standard.task)
    #expect(weighted.edge == standard.edge)
  }

  @Test("Its gradient is that of the standard loss and of the weighted dual-task loss")
  func gradient() throws {
    let network = GatedSCNN(.resnet50, seed: 5)
    network.store.allocateGradients()
    func gradients(_ addGradients: (GatedSCNN.Output) -> Void) -> [Double] {
      let tape = Tape(.training, workers: workers)
      addGradients(network(image: batch.image, canny: batch.canny, in: tape))
      tape.backward()
      return network.store.gradients.values.map(Double.init)
    }
    func gradients(_ configuration: JointLoss.Configuration) -> [Double] {
      gradients {
        _ = JointLoss.evaluateAndAddGradients(
          $0, target: batch.target, boundary: batch.boundary, configuration, noise: noise, on: workers)
      }
    }
    let (standard, full) = (gradients(JointLoss.Configuration()), gradients(full(.paddle, weight: 3)))
    var terms = 0
    let dual = gradients { output in
      let sums = sums(output.logits.value, .paddle, temperature: 0.5)
      terms = sums.terms
      if let gradient = sums.gradient { output.logits.gradient?.add(gradient, on: workers) }
      output.edge.gradient?.add(.zeros(output.edge.shape), on: workers)
    }
    let scale = 3 / Double(terms)
    let largest = full.reduce(0) { max($0, abs($1)) }
    #expect(dual.contains { scale * abs($0) > 0.1 * largest }, "the dual-task loss matters here")
    let worst = full.indices.reduce(0) { max($0, abs(full[$1] - standard[$1] - scale * dual[$1])) }
    #expect(worst < 1e-4 * largest, "\(worst) of \(largest)")
  }

  @Test("ENet's weights: 1 / ln(1.02 + share)")
  func weights() {
    var configuration = JointLoss.Configuration()
    #expect(configuration.resolved(shares: [1, 0]) == configuration)
    configuration.classWeights = .split
    guard case .given(let weights) = configuration.resolved(shares: [1, 0, 0.25]).classWeights else {
      Issue.record("not resolved")
      return
    }
    for (weight, expected) in zip(weights, [1.422_277_8, 50.498_349_8, 4.183_804_6]) {
      #expect(abs(weight - expected) < 1e-6, "\(weight), not \(expected)")
    }
  }
}
