import Kernels
import Layers
import Tensors
import Testing

/// A small network in which every operation of a pass has a part.
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
    let half = tape.averagedToHalf(x)
    let pooled = tape.averagedInPlace(tape.maxPooled(x))
    let mean = tape.resized(tape.averaged(half), to: half.size, corners: .halfPixel)
    let parts = tape.concatenated(pooled, half, mean)
    let gated = tape.gated(mix(parts, in: tape), by: tape.sigmoid(attention(parts, in: tape)))
    return tape.resized(tape.rectified(gated), to: image.shape.size, corners: .aligned)
  }
}

/// Normally distributed numbers that belong to a name.
func normal(_ shape: Shape, named name: String) -> Tensor {
  var random = RandomNumbers(named: name)
  return Tensor(shape, dense: (0..<shape.pixels * shape.channels).map { _ in random.normal() })
}

@Suite("Passes")
struct TapeTests {
  private let workers = WorkerPool(threads: 2)
  private let image = normal(Shape(2, 17, 21, 3), named: "image")
  private let direction = normal(Shape(2, 17, 21, 6), named: "direction")

  /// The output along `direction`, of which `direction` is the gradient.
  private func value(_ network: SmallNetwork) -> Double {
    let output = network(image, in: Tape(.training, workers: workers)).value
    return zip(output.dense, direction.dense).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  @Test("The gradients of composed operations are those of finite differences")
  func gradients() {
    let network = SmallNetwork(seed: 3)
    let tape = Tape(.training, workers: workers)
    let output = network(image, in: tape)
    output.trace?.add(Tensor(direction.shape, dense: direction.dense), on: workers)
    tape.backward()

    for parameter in network.store.parameters {
      let gradient = parameter.gradient.values.map(Double.init)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 0.1, "\(parameter.name) has a part in the output")
      var random = RandomNumbers(named: parameter.name)
      let values = parameter.value.values
      // A step along signs drawn at random: its slope is as large as the gradient, on average.
      let signs = values.map { _ in random.uniform(below: 2) == 0 ? -1.0 : 1.0 }
      let expected = zip(gradient, signs).reduce(0) { $0 + $1.0 * $1.1 }
      let width: Float = 2e-3 / Float(values.count).squareRoot()
      func moved(_ factor: Float) -> Double {
        for index in values.indices { parameter.value[index] = values[index] + factor * width * Float(signs[index]) }
        return value(network)
      }
      let slope = (moved(1) - moved(-1)) / Double(2 * width)
      _ = moved(0)
      #expect(abs(slope - expected) <= 0.02 * norm, "\(parameter.name): \(slope), not \(expected), of \(norm)")
    }
  }

  @Test("Each parameter is reported complete once, the last operation's first, with its gradient in place")
  func completion() {
    let network = SmallNetwork(seed: 3)
    for parameter in network.store.parameters {
      for index in 0..<parameter.form.count { parameter.gradient[index] = .nan }
    }
    var completed: [String] = []
    let tape = Tape(.training, workers: workers) { parameter in
      completed.append(parameter.name)
      #expect(parameter.gradient.values.allSatisfy { $0.isFinite }, "\(parameter.name)")
    }
    let output = network(image, in: tape)
    #expect(completed == [])
    output.trace?.add(Tensor(direction.shape, dense: direction.dense), on: workers)
    tape.backward()
    #expect(
      completed == [
        "attention.weight", "attention.bias", "mix.weight", "mix.bias", "residual.norm.weight", "residual.norm.bias",
        "residual.weight", "first.norm.weight", "first.norm.bias", "first.weight",
      ])
    // Nothing is left to go back through.
    tape.backward()
    #expect(completed.count == 10)
  }

  @Test("A value that can be made again is let go when its last user has it; the backward pass frees the rest")
  func memory() {
    weak var normalized: Buffer?
    weak var kept: Buffer?
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
      kept = b.value.buffer
      return third(b, in: tape)
    }
    let output = forward()
    #expect(normalized == nil, "batch norm makes its output again")
    #expect(kept != nil, "the convolution that follows needs its input")
    output.trace?.add(normal(output.shape, named: "gradient"), on: workers)
    tape.backward()
    #expect(kept == nil)
  }

  @Test("In evaluation nothing is kept and no gradient asked for")
  func evaluation() {
    let network = SmallNetwork(seed: 3)
    let tape = Tape(.evaluation, workers: workers) { _ in Issue.record("nothing goes back") }
    #expect(network(image, in: tape).trace == nil)
    tape.backward()
  }

  #if compiler(>=6.2)
    @Test("From the third step on a training loop asks the system for no more memory")
    func steadyMemory() async {
      // In a process of its own: the pool is one for all tests that run at once.
      await #expect(processExitsWith: .success) {
        let network = SmallNetwork(seed: 3)
        let workers = WorkerPool(threads: 2)
        let image = normal(Shape(2, 17, 21, 3), named: "image")
        var seen: [[Int]] = []
        for _ in 0..<8 {
          let tape = Tape(.training, workers: workers)
          let output = network(image, in: tape)
          output.trace?.add(normal(output.shape, named: "gradient"), on: workers)
          tape.backward()
          seen.append([BufferPool.shared.allocatedBytes, BufferPool.shared.systemAllocations])
        }
        #expect(seen[0][1] > 10, "the pool is what serves the pass")
        #expect(Set(seen[2...]).count == 1, "\(seen)")
      }
    }
  #endif
}
