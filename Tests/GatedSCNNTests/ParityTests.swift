import Foundation
import GatedSCNN
import Layers
import Microkernels
import Tensors
import Testing
import Training
import Weights

/// The network agrees with PyTorch's, which was computed in double precision with the same weights and inputs.
///
/// The tolerance is three times the distance due to rounding (the larger of PyTorch's own single-precision run and
/// noise of the size of Winograd's), plus 1e-4. Gradients of a deep ReLU network change by percents when a few units
/// flip, so their bounds are wide. The kernels' own tests are tight.
///
/// In bfloat16 the tolerance is 1.5 times the largest distance of 32 runs of PyTorch's bfloat16 autocast.
@Suite(.serialized)
struct ParityTests {
  static let workers = WorkerPool(threads: 2)

  @Test("Evaluation: logits and edges agree with PyTorch's", arguments: Backbone.allCases, Precision.allCases)
  func evaluation(_ backbone: Backbone, _ precision: Precision) throws {
    let reference = try Reference("\(backbone.rawValue)-eval")
    let spread = try Spread(backbone, "eval", precision)
    let network = GatedSCNN(backbone, seed: 0, precision: precision)
    FormulaValues.fill(network.store)
    let batch = FormulaValues.Batch(1, 75, 101)
    let tape = Tape(.evaluation, precision: precision, workers: Self.workers)
    let output = network(image: batch.image, canny: batch.canny, in: tape)
    for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
      try spread.expectClose(value.channelsFirst, try reference.values(name), name)
    }
    // The network did compute in its precision.
    let distance = relativeDistance(output.logits.value.channelsFirst, try reference.values("seg"))
    #expect((distance > 1e-3) == (precision == .bfloat16))
  }

  @Test(
    "Five training steps: outputs, losses, all gradients, running statistics and weights agree with PyTorch's",
    arguments: Precision.allCases)
  func training(_ precision: Precision) throws {
    let reference = try Reference("resnet50-train")
    let spread = try Spread(.resnet50, "train", precision)
    let network = GatedSCNN(.resnet50, seed: 0, precision: precision)
    FormulaValues.fill(network.store)
    network.store.allocateGradients()
    let optimizer = SGD(network.store)
    let batch = FormulaValues.Batch(2, 96, 128)
    let expectedLosses = try reference.values("losses")
    var losses: [Double] = []

    for step in 0..<5 {
      let tape = Tape(.training, precision: precision, workers: Self.workers)
      let output = network(image: batch.image, canny: batch.canny, in: tape)
      let loss = JointLoss.evaluateAndAddGradients(
        output, target: batch.target, boundary: batch.boundary, on: Self.workers)
      losses += [loss.total, loss.semantic, loss.edge, loss.task]
      tape.backward()
      if step == 0 {
        for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
          try spread.expectClose(value.channelsFirst, try reference.values(name), name)
        }
        try compareGradients(network.store, reference, spread)
        for statistic in network.store.statistics {
          let name = "buffer/" + statistic.name
          try spread.expectClose(statistic.value.values.map(Double.init), try reference.values(name), name)
        }
      }
      optimizer.step(learningRate: 0.01, on: Self.workers)
    }

    for (got, expected) in zip(losses, expectedLosses).prefix(precision == .float32 ? 4 : 0) {
      #expect(abs(got - expected) <= 1e-4 * abs(expected), "first losses: \(got) is not \(expected)")
    }
    try spread.expectClose(losses, expectedLosses, "losses")
    for parameter in network.store.parameters {
      let name = "after/" + parameter.name
      try spread.expectClose(sample(parameter.value, parameter.layout), try reference.values(name), name)
    }
  }

  private func compareGradients(_ store: ParameterStore, _ reference: Reference, _ spread: Spread) throws {
    for parameter in store.parameters {
      let (normName, sampleName) = ("grad_norm/" + parameter.name, "grad_sample/" + parameter.name)
      let gradient = norm(parameter.gradient.values.map(Double.init))
      let sampled = sample(parameter.gradient, parameter.layout)
      if try spread.isZero(normName) {
        // The gradient of a bias before a batch norm is zero: compare it with that of the convolution's weight.
        let weight = try reference.values(normName.replacingOccurrences(of: ".bias", with: ".weight"))[0]
        try spread.expect(gradient / weight, normName)
        try spread.expect(norm(sampled) / weight, sampleName)
      } else {
        let expected = try reference.values(normName)[0]
        try spread.expect(abs(gradient - expected) / expected, normName)
        try spread.expectClose(sampled, try reference.values(sampleName), sampleName)
      }
    }
  }

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// 64 evenly spaced values, in PyTorch's order.
  private func sample(_ floats: FloatSlice, _ layout: Parameter.Layout) -> [Double] {
    let step = max(1, layout.count / 64)
    return stride(from: 0, to: layout.count, by: step).prefix(64).map {
      Double(floats[FormulaValues.offset(of: $0, in: layout)])
    }
  }
}

/// ‖a − b‖ / ‖b‖
func relativeDistance(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  return difference / max(b.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-30)
}

let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

/// Results of PyTorch.
struct Reference {
  private let file: Safetensors

  init(_ name: String) throws {
    file = try Safetensors(contentsOf: fixtures.appendingPathComponent(name + ".safetensors").path)
  }

  func values(_ name: String) throws -> [Double] { try file.floats(name).map(Double.init) }
}

/// How far off PyTorch's own values are.
struct Spread {
  /// By rounding in single precision; nil for values that are zero in exact arithmetic.
  private let single: [String: Double?]
  /// Of bfloat16 autocast, the largest of 32 runs (`make_autocast.py`); gradients that are zero in exact
  /// arithmetic relative to those of the weight. Empty in single precision.
  private let autocast: [String: Double]

  init(_ backbone: Backbone, _ part: String, _ precision: Precision) throws {
    func read<Value: Decodable>(_ name: String) throws -> [String: Value] {
      let url = fixtures.appendingPathComponent("\(backbone.rawValue)-\(name).json")
      return try JSONDecoder().decode([String: [String: Value]].self, from: Data(contentsOf: url))[part] ?? [:]
    }
    single = try read("spread")
    autocast = try precision == .bfloat16 ? read("autocast") : [:]
  }

  /// Whether the value is zero in exact arithmetic.
  func isZero(_ name: String) throws -> Bool { try #require(single[name], "no spread of \(name)") == nil }

  func expectClose(_ values: [Double], _ expected: [Double], _ name: String) throws {
    try expect(relativeDistance(values, expected), name)
  }

  func expect(_ distance: Double, _ name: String) throws {
    let allowed = try allowed(name)
    #expect(distance <= allowed, "\(name): relative distance \(distance)")
  }

  /// Whether it belongs to the batch norm after image pooling, which normalizes one number of each of two images. They
  /// become 1 and -1 whatever they were, so that little is left of its gradients but rounding.
  private static func normalizesTwoNumbers(_ name: String) -> Bool { name.contains("/feature_fusion.convs.4.2.") }

  /// The relative tolerance; that of a zero gradient is relative to the gradient of the weight.
  private func allowed(_ name: String) throws -> Double {
    // The reference itself is rounded to single precision.
    if let distance = autocast[name] { return (Self.normalizesTwoNumbers(name) ? 2 : 1.5) * distance + 1e-7 }
    try #require(autocast.isEmpty, "no spread of \(name)")
    let spread = try #require(single[name], "no spread of \(name)")
    return spread.map { 3 * $0 + 1e-4 } ?? 1e-4
  }
}

extension Tensor {
  /// The values in PyTorch's order, `[N, C, H, W]`.
  var channelsFirst: [Double] {
    var values: [Double] = []
    for image in 0..<shape.images {
      for channel in 0..<shape.channels {
        for pixel in 0..<shape.pixelsPerImage {
          values.append(Double(self.image(image)[pixel * shape.stride + channel]))
        }
      }
    }
    return values
  }
}
