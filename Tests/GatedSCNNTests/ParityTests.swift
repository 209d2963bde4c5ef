import Foundation
import GatedSCNN
import Layers
import Tensors
import Testing
import Training
import Weights

/// The network agrees with PyTorch's, computed in double precision on the same weights and inputs.
///
/// Allowed is three times the distance that rounding alone makes (the larger of PyTorch's own single-precision run and of
/// noise as Winograd leaves it), plus 1e-4. Gradients of a deep ReLU network move by per cent when a few units flip, so that the
/// bound is wide there; the kernels' own tests are tight.
@Suite(.serialized)
struct ParityTests {
  static let workers = WorkerPool(threads: 2)

  @Test("In evaluation the network gives PyTorch's scores and edges", arguments: Backbone.allCases)
  func evaluation(_ backbone: Backbone) throws {
    let reference = try Reference("\(backbone.rawValue)-eval")
    let spread = try Spread(backbone, "eval")
    let network = GatedSCNN(backbone, seed: 0)
    FormulaValues.fill(network.store)
    let batch = FormulaValues.Batch(1, 75, 101)
    let output = network(image: batch.image, canny: batch.canny, in: Tape(.evaluation, workers: Self.workers))
    for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
      let distance = relativeDistance(value.channelsFirst, try reference.values(name))
      #expect(distance <= (try spread.allowed(name)), "\(name) is \(distance) away")
    }
  }

  @Test("Five steps of training follow PyTorch's: outputs, losses, every gradient, running statistics, weights")
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
      let loss = JointLoss(of: output, target: batch.target, boundary: batch.boundary, in: tape)
      losses += [loss.total, loss.semantic, loss.edge, loss.task]
      tape.backward()
      if step == 0 {
        for (name, value) in [("seg", output.logits.value), ("edge", output.edge.value)] {
          let distance = relativeDistance(value.channelsFirst, try reference.values(name))
          #expect(distance <= (try spread.allowed(name)), "\(name) is \(distance) away")
        }
        try compareGradients(network.store, reference, spread)
        for statistic in network.store.statistics {
          let name = "buffer/" + statistic.name
          let distance = relativeDistance(statistic.value.values.map(Double.init), try reference.values(name))
          #expect(distance <= (try spread.allowed(name)), "\(name) is \(distance) away")
        }
      }
      optimizer.step(learningRate: 0.01, on: Self.workers)
    }

    for (got, expected) in zip(losses, expectedLosses).prefix(4) {
      #expect(abs(got - expected) <= 1e-4 * abs(expected), "first losses: \(got) is not \(expected)")
    }
    let distance = relativeDistance(losses, expectedLosses)
    #expect(distance <= (try spread.allowed("losses")), "losses are \(distance) away: \(losses) and \(expectedLosses)")
    for parameter in network.store.parameters {
      let name = "after/" + parameter.name
      let distance = relativeDistance(sample(parameter.value, parameter.form), try reference.values(name))
      #expect(distance <= (try spread.allowed(name)), "\(name) is \(distance) away")
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
        // A bias before a batch norm: nothing beside the weights of its convolution.
        size = try reference.values("grad_norm/" + name.replacingOccurrences(of: ".bias", with: ".weight"))[0]
        #expect(gradient <= Self.vanishing * size, "\(name): \(gradient) should vanish beside \(size)")
      }
      let sampled = sample(parameter.gradient, parameter.form)
      if let allowed = try spread.allowedUnlessZero("grad_sample/" + name) {
        let distance = relativeDistance(sampled, try reference.values("grad_sample/" + name))
        #expect(distance <= allowed, "gradient of \(name) is \(distance) away")
      } else {
        #expect(norm(sampled) <= Self.vanishing * size, "\(name): \(norm(sampled)) should vanish beside \(size)")
      }
    }
  }

  /// What single precision leaves of a sum that is zero, beside the gradient next to it.
  private static let vanishing = 1e-4

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// 64 values spread evenly, in PyTorch's order.
  private func sample(_ floats: FloatSlice, _ form: Parameter.Form) -> [Double] {
    let step = max(1, form.count / 64)
    return stride(from: 0, to: form.count, by: step).prefix(64).map {
      Double(floats[FormulaValues.place(of: $0, in: form)])
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

/// What PyTorch computed.
struct Reference {
  private let file: Safetensors

  init(_ name: String) throws {
    file = try Safetensors(contentsOf: fixtures.appendingPathComponent(name + ".safetensors").path)
  }

  func values(_ name: String) throws -> [Double] { try file.floats(name).map(Double.init) }
}

/// How far rounding alone moves each of PyTorch's values.
struct Spread {
  private let values: [String: Double?]

  init(_ backbone: Backbone, _ part: String) throws {
    let url = fixtures.appendingPathComponent("\(backbone.rawValue)-spread.json")
    values = try JSONDecoder().decode([String: [String: Double?]].self, from: Data(contentsOf: url))[part] ?? [:]
  }

  /// `nil` where the value is zero in exact arithmetic.
  func allowedUnlessZero(_ name: String) throws -> Double? {
    let spread = try #require(values[name], "there is no spread of \(name)")
    return spread.map { 3 * $0 + 1e-4 }
  }

  func allowed(_ name: String) throws -> Double {
    try #require(try allowedUnlessZero(name), "\(name) is zero: compare it absolutely")
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
