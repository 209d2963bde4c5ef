import Layers
import Tensors
import Testing

@Suite("Parameters")
struct ParameterTests {
  @Test("Names are paths of scopes, and entries are in order of registration")
  func names() {
    let store = ParameterStore()
    let block = store.root / "layer1" / 0
    _ = Convolution(block / "conv1", from: 3, to: 8, kernel: 3, bias: true)
    _ = BatchNorm(block / "bn1", channels: 8)
    #expect(
      store.entries.map(\.name)
        == ["conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"].map { "layer1.0." + $0 }
        + ["running_mean", "running_var", "num_batches_tracked"].map { "layer1.0.bn1." + $0 })
    #expect(store.parameters.map(\.layout.shape) == [[8, 3, 3, 3], [8], [8], [8]])
    #expect(store.parameters.map(\.index) == [0, 1, 2, 3])
    #expect(store.parameterCount == 8 * 27 + 24)
  }

  @Test("Parameters are in one flat array, each aligned to a cache line, with zeros between")
  func flatArray() {
    let store = ParameterStore()
    let counts = [5, 16, 1, 40]
    for (index, count) in counts.enumerated() {
      _ = (store.root / index).vector("weight", count, initial: .constant(Float(index + 1)))
    }
    store.allocate(seed: 0)
    store.allocateGradients()
    #expect(store.parameters.map(\.offset) == [0, 16, 32, 48])
    #expect(store.values.count == 96)
    var expected = [Float](repeating: 0, count: 96)
    for (index, count) in counts.enumerated() {
      for position in 0..<count { expected[16 * index + position] = Float(index + 1) }
    }
    #expect(store.values.values == expected)
    #expect(store.gradients.values == [Float](repeating: 0, count: 96))
    store.parameters[2].gradient[0] = 7
    #expect(store.gradients[32] == 7)
  }

  private func values(_ name: String, seed: UInt64, among others: Int = 0, _ initial: Initializer) -> [Float] {
    let store = ParameterStore()
    for index in 0..<others { _ = (store.root / "other" / index).weight(kernel: 3, from: 4, to: 4) }
    let parameter = (store.root / name).vector("weight", 50_000, initial: initial)
    store.allocate(seed: seed)
    return parameter.value.values
  }

  @Test(
    "Initial values depend only on the seed and the name",
    arguments: [Initializer.uniform(bound: 0.5), .normal(standardDeviation: 0.5)])
  func reproducibleInitialValues(_ initial: Initializer) {
    let values = values("a", seed: 1, initial)
    #expect(self.values("a", seed: 1, among: 7, initial) == values)
    #expect(self.values("a", seed: 2, initial) != values)
    #expect(self.values("b", seed: 1, initial) != values)
  }

  @Test("Uniform values fill their range, normal values have their standard deviation")
  func distributions() {
    let uniform = values("a", seed: 1, .uniform(bound: 0.25))
    #expect(uniform.allSatisfy { $0 >= -0.25 && $0 < 0.25 })
    #expect((uniform.min() ?? 0) < -0.249 && (uniform.max() ?? 0) > 0.249)
    // The standard error of the mean of 50000 values is 0.0045 σ, that of σ 0.3 %; five times that is allowed.
    let (mean, deviation) = moments(uniform)
    #expect(abs(mean) < 0.0225 * deviation)
    #expect(abs(deviation - 0.25 / 3.0.squareRoot()) < 0.015 * deviation)

    let normal = values("a", seed: 1, .normal(standardDeviation: 0.1))
    let (center, width) = moments(normal)
    #expect(abs(center) < 0.0225 * width)
    #expect(abs(width - 0.1) < 0.016 * width)
    let within = Double(normal.filter { abs($0) < 0.1 }.count) / Double(normal.count)
    #expect(abs(within - 0.6827) < 0.0105, "a normal distribution has 68 % within a deviation")
  }

  private func moments(_ values: [Float]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
    let squares = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    return (mean, (squares / Double(values.count)).squareRoot())
  }

  @Test("A convolution is initialized as in PyTorch: weight and bias uniform within 1/√fan_in")
  func convolution() {
    let store = ParameterStore()
    _ = Convolution(store.root, from: 16, to: 64, kernel: 3, bias: true)
    store.allocate(seed: 4)
    for parameter in store.parameters {
      let largest = parameter.value.values.map(abs).max() ?? 0
      #expect(largest <= 1 / 12 && largest > 0.9 / 12, "\(parameter.name)")
    }
  }
}
