import Kernels
import Layers
import Tensors
import Testing

/// A small network with every operation of `Tape`.
struct SmallNetwork {
  let store = ParameterStore()
  private let first: ConvBNReLU
  private let residual: ConvBNReLU
  private let mix: Convolution
  private let attention: Convolution

  init(seed: UInt64) {
    let root = store.root
    first = ConvBNReLU(root / "first", norm: root / "first" / "norm", from: 3, to: 8, kernel: 3, stride: 2)
    residual = ConvBNReLU(
      root / "residual", norm: root / "residual" / "norm", from: 8, to: 8, kernel: 3, dilation: 2)
    mix = Convolution(root / "mix", from: 24, to: 6, bias: true)
    attention = Convolution(root / "attention", from: 24, to: 1, bias: true)
    store.allocate(seed: seed)
    store.allocateGradients()
  }

  /// `[N, H, W, 3]` → `[N, H, W, 6]`
  func callAsFunction(_ image: Tensor, in tape: Tape) -> Activation {
    let narrow = first(Activation(image), in: tape)
    let x = residual(narrow, plus: narrow, in: tape)
    let half = tape.averagePool(x, stride: 2)
    let pooled = tape.averagePool(tape.maxPool3x3(x), stride: 1)
    let mean = tape.interpolate(tape.globalAveragePool(half), to: half.size, alignCorners: false)
    let parts = tape.concatenate(pooled, half, mean)
    let gated = tape.gate(mix(parts, in: tape), by: tape.sigmoid(attention(parts, in: tape)))
    return tape.interpolate(tape.relu(gated), to: image.shape.size, alignCorners: true)
  }
}

/// Normally distributed numbers from the random stream of a name.
func normal(_ shape: Shape, named name: String) -> Tensor {
  var random = RandomNumbers(named: name)
  return Tensor(shape, dense: (0..<shape.pixels * shape.channels).map { _ in random.normal() })
}

@Suite("Tape")
struct TapeTests {
  private let workers = WorkerPool(threads: 2)
  private let image = normal(Shape(2, 17, 21, 3), named: "image")
  private let direction = normal(Shape(2, 17, 21, 6), named: "direction")

  /// The inner product of output and `direction`; its gradient with respect to the output is `direction`.
  private func value(_ network: SmallNetwork) -> Double {
    let output = network(image, in: Tape(.training, workers: workers)).value
    return zip(output.dense, direction.dense).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  @Test("Gradients of composed operations agree with finite differences")
  func gradients() {
    let network = SmallNetwork(seed: 3)
    let tape = Tape(.training, workers: workers)
    let output = network(image, in: tape)
    output.gradient?.add(Tensor(direction.shape, dense: direction.dense), on: workers)
    tape.backward()

    for parameter in network.store.parameters {
      let gradient = parameter.gradient.values.map(Double.init)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 0.1, "\(parameter.name) does not affect the output")
      var random = RandomNumbers(named: parameter.name)
      let values = parameter.value.values
      // The derivative along random signs; its root mean square is the norm of the gradient.
      let signs = values.map { _ in random.uniform(below: 2) == 0 ? -1.0 : 1.0 }
      let expected = zip(gradient, signs).reduce(0) { $0 + $1.0 * $1.1 }
      let width: Float = 2e-3 / Float(values.count).squareRoot()
      func moved(_ factor: Float) -> Double {
        for index in values.indices { parameter.value[index] = values[index] + factor * width * Float(signs[index]) }
        return value(network)
      }
      let slope = (moved(1) - moved(-1)) / Double(2 * width)
      _ = moved(0)
      #expect(abs(slope - expected) <= 0.02 * norm, "\(parameter.name): \(slope), not \(expected); norm \(norm)")
    }
  }

  @Test("onGradientReady is called once a parameter, last operation first, when its gradient is complete")
  func gradientReady() {
    let network = SmallNetwork(seed: 3)
    for parameter in network.store.parameters {
      for index in 0..<parameter.layout.count { parameter.gradient[index] = .nan }
    }
    var ready: [String] = []
    let tape = Tape(.training, workers: workers) { parameter in
      ready.append(parameter.name)
      #expect(parameter.gradient.values.allSatisfy { $0.isFinite }, "\(parameter.name)")
    }
    let output = network(image, in: tape)
    #expect(ready == [])
    output.gradient?.add(Tensor(direction.shape, dense: direction.dense), on: workers)
    tape.backward()
    #expect(
      ready == [
        "attention.weight", "attention.bias", "mix.weight", "mix.bias", "residual.norm.weight", "residual.norm.bias",
        "residual.weight", "first.norm.weight", "first.norm.bias", "first.weight",
      ])
    // The tape is empty now.
    tape.backward()
    #expect(ready.count == 10)
  }

  @Test("A recomputed value is freed in the forward pass, a stored one in the backward pass")
  func memory() {
    weak var normalized: Buffer?
    weak var stored: Buffer?
    let store = ParameterStore()
    let first = ConvBNReLU(store.root / 0, norm: store.root / 1, from: 3, to: 8, kernel: 3)
    let second = Convolution(store.root / 2, from: 8, to: 8)
    let third = Convolution(store.root / 3, from: 8, to: 4)
    store.allocate(seed: 1)
    store.allocateGradients()
    let tape = Tape(.training, workers: workers)
    func forward() -> Activation {
      let a = first(Activation(image), in: tape)
      normalized = a.value.buffer
      let b = second(a, in: tape)
      stored = b.value.buffer
      return third(b, in: tape)
    }
    let output = forward()
    #expect(normalized == nil, "the output of batch norm is recomputed")
    #expect(stored != nil, "the next convolution reads its input in the backward pass")
    output.gradient?.add(normal(output.shape, named: "gradient"), on: workers)
    tape.backward()
    #expect(stored == nil)
  }

  @Test("Evaluation records nothing and needs no gradient")
  func evaluation() {
    let network = SmallNetwork(seed: 3)
    let tape = Tape(.evaluation, workers: workers) { _ in Issue.record("no operation is recorded") }
    #expect(network(image, in: tape).gradient == nil)
    tape.backward()
  }

  #if compiler(>=6.2)
    @Test("From the third step on, a training loop needs no more memory from the system")
    func steadyMemory() async {
      // In its own process, because concurrent tests share one pool.
      await #expect(processExitsWith: .success) {
        let network = SmallNetwork(seed: 3)
        let workers = WorkerPool(threads: 2)
        let image = normal(Shape(2, 17, 21, 3), named: "image")
        var seen: [[Int]] = []
        for _ in 0..<8 {
          let tape = Tape(.training, workers: workers)
          let output = network(image, in: tape)
          output.gradient?.add(normal(output.shape, named: "gradient"), on: workers)
          tape.backward()
          seen.append([BufferPool.shared.residentBytes, BufferPool.shared.growthCount])
        }
        #expect(seen[0][1] > 10, "tensors come from the shared pool")
        #expect(Set(seen[2...]).count == 1, "\(seen)")
      }
    }
  #endif
}
