import Foundation
import GatedSCNN
import Layers
import Tensors
import Testing
import Training
import Weights

/// The network agrees with PyTorch's, which was computed in double precision with the same weights and inputs.
///
/// The tolerance is three times the distance due to rounding (the larger of PyTorch's own single-precision run and
/// noise of the size of Winograd's), plus 1e-4. Gradients of a deep ReLU network change by percents when a few units
/// flip, so their bounds are wide. The kernels' own tests are tight.
@Suite(.serialized)
struct ParityTests {
  static let workers = WorkerPool(threads: 2)

  @Test("Evaluation: logits and edges agree with PyTorch's", arguments: Backbone.allCases)
  func evaluation(_ backbone: Backbone) throws {
    let reference = try Reference("\(backbone.rawValue)-eval")
    let spread = try Spread(backbone, "eval")
    let network = GatedSCNN(backbone, seed: 0)
    FormulaValues.fill(network.store)
    let batch = FormulaValues.Batch(1, 75, 101)
    let output = network(image: batch.image, canny: batch.canny, in: Tape(.evaluation, workers: Self.workers))
    for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
      let distance = relativeDistance(value.channelsFirst, try reference.values(name))
      #expect(distance <= (try spread.allowed(name)), "\(name): relative distance \(distance)")
    }
  }

  @Test("Five training steps: outputs, losses, all gradients, running statistics and weights agree with PyTorch's")
  func training() throws {
    let reference = try Reference("resnet50-train")
    let spread = try Spread(.resnet50, "train")
    let network = GatedSCNN(.resnet50, seed: 0)
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

    for (got, expected) in zip(losses, expectedLosses).prefix(4) {
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
      if let allowed = try spread.allowedUnlessZero("grad_norm/" + name) {
        #expect(
          abs(gradient - expected) <= allowed * expected, "gradient norm of \(name): \(gradient), not \(expected)")
      } else {
        // The gradient of a bias before a batch norm is zero: compare it with that of the convolution's weight.
        size = try reference.values("grad_norm/" + name.replacingOccurrences(of: ".bias", with: ".weight"))[0]
        #expect(gradient <= Self.vanishing * size, "\(name): \(gradient) should be near 0 compared with \(size)")
      }
      let sampled = sample(parameter.gradient, parameter.layout)
      if let allowed = try spread.allowedUnlessZero("grad_sample/" + name) {
        let distance = relativeDistance(sampled, try reference.values("grad_sample/" + name))
        #expect(distance <= allowed, "gradient of \(name): relative distance \(distance)")
      } else {
        #expect(
          norm(sampled) <= Self.vanishing * size, "\(name): \(norm(sampled)) should be near 0 compared with \(size)")
      }
    }
  }

  /// The residue of a zero sum in single precision, relative to the gradient of the weight.
  private static let vanishing = 1e-4

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

/// How much rounding changes each of PyTorch's values.
struct Spread {
  private let values: [String: Double?]

  init(_ backbone: Backbone, _ part: String) throws {
    let url = fixtures.appendingPathComponent("\(backbone.rawValue)-spread.json")
    values = try JSONDecoder().decode([String: [String: Double?]].self, from: Data(contentsOf: url))[part] ?? [:]
  }

  /// The relative tolerance; nil if the value is zero in exact arithmetic.
  func allowedUnlessZero(_ name: String) throws -> Double? {
    let spread = try #require(values[name], "no spread of \(name)")
    return spread.map { 3 * $0 + 1e-4 }
  }

  func allowed(_ name: String) throws -> Double {
    try #require(try allowedUnlessZero(name), "\(name) is zero in exact arithmetic: it has no relative tolerance")
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
