import Foundation
import GatedSCNN
import Layers
import Tensors
import Testing
import Training

@Suite("Network")
struct NetworkTests {
  private struct Entry: Codable, Equatable {
    let name: String
    let shape: [Int]
    let trainable: Bool
  }

  @Test("Parameters and buffers have PyTorch's names, shapes and order", arguments: Backbone.allCases)
  func names(_ backbone: Backbone) throws {
    let url = fixtures.appendingPathComponent("\(backbone.rawValue)-parameters.json")
    let expected = try JSONDecoder().decode([Entry].self, from: Data(contentsOf: url))
    let entries = GatedSCNN(backbone, seed: 0).store.entries.map { entry in
      switch entry {
      case .parameter(let parameter): Entry(name: parameter.name, shape: parameter.layout.shape, trainable: true)
      case .statistic(let statistic): Entry(name: statistic.name, shape: [statistic.count], trainable: false)
      case .counter(let counter): Entry(name: counter.name, shape: [], trainable: false)
      }
    }
    #expect(entries == expected)
  }

  @Test("Initial values: Kaiming normal backbone, residual blocks that start as identity, PyTorch's defaults elsewhere")
  func initialValues() {
    for parameter in GatedSCNN(.resnet50, seed: 5).store.parameters {
      let (name, values) = (parameter.name, parameter.value.values)
      switch parameter.layout {
      case .filter(let kernel, let inputs, let outputs) where name.hasPrefix("regular_stream."):
        let expected = (2 / Double(kernel * kernel * outputs)).squareRoot()
        let deviation = (values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
        let tolerance = 5 / (2 * Double(values.count)).squareRoot()
        #expect(abs(deviation / expected - 1) < tolerance, "\(name), \(inputs) inputs")
      case .filter(let kernel, let inputs, _):
        let bound = 1 / Float(kernel * kernel * inputs).squareRoot()
        #expect(values.allSatisfy { abs($0) <= bound } && values.contains { $0 != 0 }, "\(name)")
      case .vector where name.hasSuffix(".weight"):
        let first: Float = name.hasPrefix("regular_stream.backbone.layer") && name.hasSuffix("bn3.weight") ? 0 : 1
        #expect(values.allSatisfy { $0 == first }, "\(name)")
      case .vector:
        let isNorm = !["res2_conv", "res3_conv", "res4_conv", "_pre", "attention.1", "attention.3"].contains {
          name.contains($0)
        }
        #expect(isNorm ? values.allSatisfy { $0 == 0 } : values.allSatisfy { $0 != 0 && abs($0) < 1 }, "\(name)")
      }
    }
  }

  @Test(
    "An initial network: losses are those of chance, gradients are finite, onGradientReady is called once each",
    arguments: InstructionSet.supported)
  func initialLoss(_ set: InstructionSet) {
    let workers = WorkerPool(threads: 2, instructionSet: set)
    let network = GatedSCNN(.resnet50, seed: 5)
    network.store.allocateGradients()
    let batch = FormulaValues.Batch(2, 41, 67)
    var ready: [Int] = []
    let tape = Tape(.training, workers: workers) { ready.append($0.index) }
    let output = network(image: batch.image, canny: batch.canny, in: tape)
    #expect(output.logits.shape == Shape(2, 41, 67, 19))
    #expect(output.edge.shape == Shape(2, 41, 67, 1))
    let loss = JointLoss.evaluateAndAddGradients(
      output, target: batch.target, boundary: batch.boundary, on: workers)
    tape.backward()
    #expect(abs(loss.semantic - log(19)) < 0.5)
    // Both classes have the same weight, together 2 n₊ n₋ / n²; a coin toss costs ln 2 a pixel.
    let valid = zip(batch.target, batch.boundary).filter { $0.0 != 255 }
    let share = Double(valid.filter { $0.1 == 1 }.count) / Double(valid.count)
    let chance = 2 * share * (1 - share) * log(2)
    #expect(loss.edge > 0.8 * chance && loss.edge < 2 * chance, "\(loss.edge), chance \(chance)")
    #expect(loss.task >= 0 && loss.task < 2 * log(19))
    #expect(loss.total == loss.semantic + 20 * loss.edge + loss.task)
    #expect(ready.sorted() == Array(network.store.parameters.indices))
    #expect(network.store.gradients.values.allSatisfy { $0.isFinite })
  }

  @Test(
    "In evaluation the result of an image does not depend on the rest of the batch",
    arguments: InstructionSet.supported)
  func batchIndependence(_ set: InstructionSet) {
    let workers = WorkerPool(threads: 2, instructionSet: set)
    let network = GatedSCNN(.resnet50, seed: 0)
    FormulaValues.fill(network.store)
    let two = FormulaValues.Batch(2, 33, 47)
    func output(_ image: Tensor, _ canny: Tensor) -> (logits: [Float], edge: [Float]) {
      let output = network(image: image, canny: canny, in: Tape(.evaluation, workers: workers))
      return (output.logits.value.dense, output.edge.value.dense)
    }
    let batched = output(two.image, two.canny)
    let pixels = 33 * 47
    for index in 0..<2 {
      let image = Array(two.image.dense[index * 3 * pixels..<(index + 1) * 3 * pixels])
      let canny = Array(two.canny.dense[index * pixels..<(index + 1) * pixels])
      let single = output(Tensor(Shape(1, 33, 47, 3), dense: image), Tensor(Shape(1, 33, 47, 1), dense: canny))
      #expect(single.logits == Array(batched.logits[index * 19 * pixels..<(index + 1) * 19 * pixels]))
      #expect(single.edge == Array(batched.edge[index * pixels..<(index + 1) * pixels]))
    }
  }
}
