import Foundation
import Layers
import Tensors
import Testing

@Suite("Batch norm over groups of images")
struct BatchNormGroupTests {
  private let workers = WorkerPool(threads: 2)

  /// A batch norm in PyTorch; see make_batch_norm_groups.py.
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let shape: [Int], groups: Int, residual: Bool
    let x: [Float], shortcut: [Float], dy: [Float], gamma: [Float], beta: [Float], mean: [Float], variance: [Float]
    let y: [Double], dx: [Double], dshortcut: [Double], dgamma: [Double], dbeta: [Double]
    let newMean: [Double], newVariance: [Double]

    var testDescription: String { "\(shape), \(groups) groups" }
  }

  static let cases: [Case] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/batch_norm_groups.json")
    return (try? JSONDecoder().decode([Case].self, from: Data(contentsOf: file))) ?? []
  }()

  @Test("The fixture is there")
  func fixture() { #expect(Self.cases.count == 2) }

  @Test(
    "Output, gradients and running statistics are those of PyTorch's BatchNorm2d on each group", arguments: cases)
  func agreesWithPyTorch(_ expected: Case) {
    let shape = Shape(expected.shape[0], expected.shape[1], expected.shape[2], expected.shape[3])
    let store = ParameterStore()
    let (input, other) = (Source(store.root / "x", shape), Source(store.root / "shortcut", shape))
    let norm = BatchNorm(store.root / "norm", channels: shape.channels)
    store.allocate(seed: 1)
    store.allocateGradients()
    store.allocateBatchStatistics()
    let (gamma, beta) = (store.parameters[2], store.parameters[3])
    for channel in 0..<shape.channels {
      gamma.value[channel] = expected.gamma[channel]
      beta.value[channel] = expected.beta[channel]
      store.statistics[0].value[channel] = expected.mean[channel]
      store.statistics[1].value[channel] = expected.variance[channel]
    }
    let tape = Tape(.training, workers: workers, batchNormGroups: expected.groups)
    let x = input(expected.x, in: tape)
    let shortcut = expected.residual ? other(expected.shortcut, in: tape) : nil
    let y = norm(x, plus: shortcut, in: tape)
    #expect(store.statistics[0].value.values == expected.mean, "the running statistics wait for the other ranks")
    store.updateRunningStatistics(groups: expected.groups)
    expectClose(y.value.dense, expected.y)
    y.gradient?.add(Tensor(shape, dense: expected.dy), on: workers)
    tape.backward()
    expectClose(input.gradient, expected.dx)
    if expected.residual { expectClose(other.gradient, expected.dshortcut) }
    expectClose(gamma.gradient.values, expected.dgamma)
    expectClose(beta.gradient.values, expected.dbeta)
    expectClose(store.statistics[0].value.values, expected.newMean)
    expectClose(store.statistics[1].value.values, expected.newVariance)
    #expect(store.counters[0].value == 1)
  }

  @Test("A network on groups of images has the bits of the network on each group alone")
  func network() {
    let (images, groups) = (4, 2)
    let image = normal(Shape(images, 17, 21, 3), named: "image")
    let direction = normal(Shape(images, 17, 21, 6), named: "direction")
    func part(_ tensor: Tensor, _ group: Int) -> Tensor {
      let shape = tensor.shape
      let count = shape.pixels * shape.channels / groups
      return Tensor(
        Shape(images / groups, shape.height, shape.width, shape.channels),
        dense: Array(tensor.dense[group * count..<(group + 1) * count]))
    }
    func trained(_ image: Tensor, _ direction: Tensor, groups: Int) -> (output: [Float], store: ParameterStore) {
      let network = SmallNetwork(seed: 3)
      network.store.allocateBatchStatistics()
      let tape = Tape(.training, workers: workers, batchNormGroups: groups)
      let output = network(image, in: tape)
      let values = output.value.dense
      output.gradient?.add(Tensor(direction.shape, dense: direction.dense), on: workers)
      tape.backward()
      return (values, network.store)
    }
    let whole = trained(image, direction, groups: groups)
    let parts = (0..<groups).map { trained(part(image, $0), part(direction, $0), groups: 1) }
    #expect(whole.output == parts.flatMap(\.output))
    #expect(whole.store.gradients.values == sum(parts.map(\.store.gradients)))
    #expect(whole.store.batchStatistics.values == sum(parts.map(\.store.batchStatistics)))
    #expect(whole.output != trained(image, direction, groups: 1).output, "groups make a difference")
  }

  /// Of two arrays: the pairwise sum.
  private func sum(_ parts: [FloatSlice]) -> [Float] { zip(parts[0].values, parts[1].values).map { $0 + $1 } }

  private func expectClose(
    _ values: [Float], _ expected: [Double], at location: SourceLocation = #_sourceLocation
  ) {
    #expect(values.count == expected.count, sourceLocation: location)
    for (value, expected) in zip(values, expected) {
      #expect(abs(Double(value) - expected) <= 2e-6 * max(1, abs(expected)), sourceLocation: location)
    }
  }
}

/// Makes the values of a tensor parameters, so that their gradient can be read: the weights of a 1×1 convolution of an
/// input in which each pixel has a channel of its own.
private struct Source {
  private let convolution: Convolution
  private let shape: Shape

  init(_ scope: Scope, _ shape: Shape) {
    self.shape = shape
    convolution = Convolution(scope, from: shape.pixels, to: shape.channels)
  }

  func callAsFunction(_ values: [Float], in tape: Tape) -> Activation {
    for (index, value) in values.enumerated() { convolution.weight.value[index] = value }
    let pixels = shape.pixels
    let identity = (0..<pixels * pixels).map { Float($0 / pixels == $0 % pixels ? 1 : 0) }
    return convolution(Activation(Tensor(shape.with(channels: pixels), dense: identity)), in: tape)
  }

  var gradient: [Float] { convolution.weight.gradient.values }
}
