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
/// In bfloat16 the tolerance is 1.5 times the distance of PyTorch's bfloat16 autocast.
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
    let output = network(image: batch.image, canny: batch.canny, in: Tape(.evaluation, workers: Self.workers))
    for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
      let distance = relativeDistance(value.channelsFirst, try reference.values(name))
      #expect(distance <= (try spread.allowed(name)), "\(name): relative distance \(distance)")
    }
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
      let tape = Tape(.training, workers: Self.workers)
      let output = network(image: batch.image, canny: batch.canny, in: tape)
      let loss = JointLoss.evaluateAndAddGradients(
        output, target: batch.target, boundary: batch.boundary, on: Self.workers)
      losses += [loss.total, loss.semantic, loss.edge, loss.task]
      tape.backward()
      if step == 0 {
        for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
          let distance = relativeDistance(value.channelsFirst, try reference.values(name))
          #expect(distance <= (try spread.allowed(name)), "\(name): relative distance \(distance)")
        }
        try compareGradients(network.store, reference, spread)
        for statistic in network.store.statistics {
          let name = "buffer/" + statistic.name
          let distance = relativeDistance(statistic.value.values.map(Double.init), try reference.values(name))
          #expect(distance <= (try spread.allowed(name)), "\(name): relative distance \(distance)")
        }
      }
      optimizer.step(learningRate: 0.01, on: Self.workers)
    }

    for (got, expected) in zip(losses, expectedLosses).prefix(precision == .float32 ? 4 : 0) {
      #expect(abs(got - expected) <= 1e-4 * abs(expected), "first losses: \(got) is not \(expected)")
    }
    let distance = relativeDistance(losses, expectedLosses)
    #expect(
      distance <= (try spread.allowed("losses")),
      "losses: relative distance \(distance): \(losses), not \(expectedLosses)")
    for parameter in network.store.parameters {
      let name = "after/" + parameter.name
      let distance = relativeDistance(sample(parameter.value, parameter.layout), try reference.values(name))
      #expect(distance <= (try spread.allowed(name)), "\(name): relative distance \(distance)")
    }
  }

  private func compareGradients(_ store: ParameterStore, _ reference: Reference, _ spread: Spread) throws {
    for parameter in store.parameters {
      let name = parameter.name
      let gradient = norm(parameter.gradient.values.map(Double.init))
      let expected = try reference.values("grad_norm/" + name)[0]
      var size = expected
      var allowed = try spread.allowed("grad_norm/" + name)
      if try spread.isZero("grad_norm/" + name) {
        // The gradient of a bias before a batch norm is zero: compare it with that of the convolution's weight.
        size = try reference.values("grad_norm/" + name.replacingOccurrences(of: ".bias", with: ".weight"))[0]
        #expect(gradient <= allowed * size, "\(name): \(gradient) should be near 0 compared with \(size)")
      } else {
        #expect(
          abs(gradient - expected) <= allowed * expected, "gradient norm of \(name): \(gradient), not \(expected)")
      }
      let sampled = sample(parameter.gradient, parameter.layout)
      allowed = try spread.allowed("grad_sample/" + name)
      if try spread.isZero("grad_sample/" + name) {
        #expect(norm(sampled) <= allowed * size, "\(name): \(norm(sampled)) should be near 0 compared with \(size)")
      } else {
        let distance = relativeDistance(sampled, try reference.values("grad_sample/" + name))
        #expect(distance <= allowed, "gradient of \(name): relative distance \(distance)")
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
  /// Of bfloat16 autocast, the largest of four runs (`make_autocast.py`); gradients that are zero in exact
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

  /// The relative tolerance; that of a zero gradient is relative to the gradient of the weight.
  func allowed(_ name: String) throws -> Double {
    // The reference itself is rounded to single precision.
    if let distance = autocast[name] { return 1.5 * distance + 1e-7 }
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
