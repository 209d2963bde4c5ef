import Foundation
import GatedSCNN
import Layers
import Tensors
import Testing
import Training

/// Figures of PyTorch and timm, by `make_optimizer_figures.py`.
private struct Figures: Decodable {
  struct Run: Decodable {
    let norms: [Double]
    /// After each step.
    let weights: [[Double]]
  }

  let runs: [String: Run]
  let schedules: [String: [Double]]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    runs = try container.allKeys.filter { $0.stringValue != "schedules" }.reduce(into: [:]) {
      $0[$1.stringValue] = try container.decode(Run.self, forKey: $1)
    }
    schedules = try container.decode([String: [Double]].self, forKey: Key(stringValue: "schedules"))
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  static func read() throws -> Figures {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/optimizer.json")
    return try JSONDecoder().decode(Figures.self, from: Data(contentsOf: file))
  }
}

@Suite("Optimizer, against PyTorch and timm in double precision")
struct OptimizerTests {
  private static let steps = 4
  private static let rates = [0.1, 0.1, 0.05, 0.05]

  /// The parameters of the figures: a convolution and a batch norm of the backbone, and a layer of the head with a bias.
  private func network() -> ParameterStore {
    let store = ParameterStore()
    let backbone = store.root / "regular_stream" / "backbone"
    _ = (backbone / "conv1").weight(kernel: 1, from: 3, to: 4)
    let norm = backbone / "bn1"
    _ = norm.vector("weight", 4, initial: .constant(1))
    _ = norm.vector("bias", 4, initial: .constant(0))
    _ = norm.statistic("running_mean", 4, initial: 0)
    _ = norm.statistic("running_var", 4, initial: 1)
    let head = store.root / "seg" / 6
    _ = head.weight(kernel: 1, from: 3, to: 2)
    _ = head.vector("bias", 2, initial: .constant(0))
    store.allocate(seed: 0)
    store.allocateGradients()
    for (place, parameter) in store.parameters.enumerated() {
      for index in 0..<parameter.layout.count { parameter.value[index] = number(place, index, 0) }
    }
    return store
  }

  /// Initial weights (step 0) and gradients.
  private func number(_ parameter: Int, _ index: Int, _ step: Int) -> Float {
    let value = sin(Double(parameter * 7 + index * 3 + step * 11))
    return Float(step == 0 ? value : value * 0.5 * Double(step))
  }

  private func weights(_ store: ParameterStore) -> [Double] {
    store.parameters.flatMap { $0.value.values.map(Double.init) }
  }

  private func expectFigures(
    _ name: String, _ options: OptimizerOptions, rates: [Double] = rates, at location: SourceLocation = #_sourceLocation
  ) throws {
    let figures = try #require(try Figures.read().runs[name])
    let store = network()
    let optimizer = SGD(store, momentum: 0.9, weightDecay: 0.01, options)
    let workers = WorkerPool(threads: 2)
    for step in 1...Self.steps {
      for (place, parameter) in store.parameters.enumerated() {
        for index in 0..<parameter.layout.count { parameter.gradient[index] = number(place, index, step) }
      }
      let norm = optimizer.gradientNorm(on: workers)
      #expect(abs(norm - figures.norms[step - 1]) < 1e-6 * norm, sourceLocation: location)
      // Half of twice the gradients is the same: what accumulation does.
      for index in 0..<store.gradients.count { store.gradients[index] *= 2 }
      #expect(optimizer.step(learningRate: rates[step - 1], gradientScale: 0.5, on: workers), sourceLocation: location)
      for (mine, theirs) in zip(weights(store), figures.weights[step - 1]) {
        #expect(abs(mine - theirs) < 2e-6, "step \(step)", sourceLocation: location)
      }
    }
  }

  @Test("SGD")
  func sgd() throws { try expectFigures("sgd", OptimizerOptions()) }

  @Test("Gradients are clipped by their global norm (torch.nn.utils.clip_grad_norm_)")
  func clipping() throws {
    var options = OptimizerOptions()
    options.clipNorm = 1.5
    try expectFigures("clipped", options)
  }

  @Test("Weight decay spares batch norm and biases, or biases alone, which those of batch norm are too")
  func noDecay() throws {
    var options = OptimizerOptions()
    options.noDecay = [.norm, .bias]
    try expectFigures("no decay of norm and bias", options)
    options.noDecay = [.bias]
    try expectFigures("no decay of bias", options)
  }

  @Test("Backbone and head have factors of the learning rate")
  func factors() throws {
    var options = OptimizerOptions()
    options.backboneFactor = 0.1
    options.headFactor = 10
    try expectFigures("factors", options, rates: [0.01, 0.01, 0.005, 0.005])
  }

  @Test("LARS scales the gradients of each tensor that decays, after clipping")
  func lars() throws {
    var options = OptimizerOptions()
    options.rule = .lars
    options.trustCoefficient = 0.02
    options.noDecay = [.norm, .bias]
    options.clipNorm = 1.5
    try expectFigures("lars", options)
  }

  @Test("With LARS a tensor of zeros, or with a gradient of zeros, is updated as by SGD")
  func larsOfZeros() {
    let workers = WorkerPool(threads: 1)
    let store = network()
    var options = OptimizerOptions()
    options.rule = .lars
    let optimizer = SGD(store, momentum: 0, weightDecay: 1e-30, options)
    let (zeros, still) = (store.parameters[4], store.parameters[0])
    for index in 0..<2 { (zeros.value[index], zeros.gradient[index]) = (0, 1) }
    let before = still.value.values
    #expect(optimizer.step(learningRate: 0.5, on: workers))
    #expect(zeros.value.values == [-0.5, -0.5])
    #expect(still.value.values == before)
  }

  @Test("Learning rates are those of PyTorch's PolynomialLR and of LinearLR before it")
  func schedules() throws {
    let figures = try Figures.read().schedules
    let length = TrainingLength(stepsPerEpoch: 7, steps: 20)
    var options = ScheduleOptions()
    options.unit = .step
    var schedule = LearningRateSchedule(start: 0.1, power: 0.9, length, options)
    for (step, rate) in try #require(figures["poly 0.9"]).enumerated() {
      #expect(abs(schedule.learningRate(step: step) - rate) < 1e-9)
    }
    options.warmupSteps = 5
    schedule = LearningRateSchedule(start: 0.1, power: 0.9, length, options)
    for (step, rate) in try #require(figures["warm-up"]).enumerated() {
      #expect(abs(schedule.learningRate(step: step) - rate) < 1e-9, "step \(step)")
    }
  }

  @Test("The average of weights begins as their mean and then forgets exponentially, running statistics included")
  func average() throws {
    let figures = try #require(try Figures.read().runs["average"])
    let workers = WorkerPool(threads: 2)
    let model = GatedSCNN(.resnet50, seed: 1)
    let average = AverageModel(GatedSCNN(.resnet50, seed: 2), of: model.store, decay: 0.6)
    let plain = try #require(try Figures.read().runs["sgd"])
    // The weights of the figures, in the first floats of two flat arrays.
    let count = plain.weights[0].count
    for step in 0..<Self.steps {
      for (index, weight) in plain.weights[step].enumerated() {
        (model.store.values[index], model.store.running[index]) = (Float(weight), Float(2 * weight))
      }
      average.update(on: workers)
      for index in 0..<count {
        let expected = figures.weights[step][index]
        #expect(abs(Double(average.model.store.values[index]) - expected) < 1e-6, "step \(step)")
        #expect(abs(Double(average.model.store.running[index]) - 2 * expected) < 2e-6, "step \(step)")
      }
    }
    #expect(average.updates == 4)
  }
}

@Suite("Best figure")
struct BestFigureTests {
  private func report(_ epoch: Int, _ iou: Double, loss: Double = 1) -> EpochReport {
    let scores = EpochReport.Scores(
      loss: loss, pixelAccuracy: 1 - iou, meanAccuracy: 0.5, meanClassIoU: iou, meanCategoryIoU: nil)
    return EpochReport(
      epoch: epoch, train: scores, validation: scores, learningRate: 0.01, seconds: 1, imagesPerSecond: 1)
  }

  @Test("The validations since the last improvement are counted, whichever figure decides")
  func patience() {
    let reports = [
      report(1, 0.3, loss: 3), report(2, 0.5, loss: 2), report(3, 0.5, loss: 1.5), report(4, 0.4, loss: 1),
    ]
    #expect(BestFigure.classIoU.validationsWithoutImprovement(in: reports) == 2)
    #expect(BestFigure.loss.validationsWithoutImprovement(in: reports) == 0)
    #expect(BestFigure.pixelAccuracy.validationsWithoutImprovement(in: reports) == 3)
    #expect(BestFigure.categoryIoU.validationsWithoutImprovement(in: reports) == 4, "there are no categories")
    #expect(BestFigure.classIoU.validationsWithoutImprovement(in: []) == 0)
  }

  @Test("A model whose loss is not a number is never the best")
  func notANumber() throws {
    #expect(BestFigure.classIoU.value(of: try #require(report(1, 0.9, loss: .nan).validation)) == nil)
  }
}
