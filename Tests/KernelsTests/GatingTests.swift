import Kernels
import Tensors
import Testing

@Suite("Gating", .everyInstructionSet)
struct GatingTests {
  static let shapes = [Shape(1, 1, 1, 2), Shape(3, 5, 7, 8), Shape(2, 4, 3, 19), Shape(2, 37, 41, 32)]

  @Test("Values and gradients are those of feature · (1 + attention)", arguments: shapes)
  func definition(shape: Shape) {
    let workers = WorkerPool.underTest(threads: 2)
    let feature = randomTensor("feature", shape)
    let attention = randomTensor("attention", shape.with(channels: 1))
    let dy = randomTensor("dy", shape)
    let channels = shape.channels
    let (f, a, g) = (feature.dense.map(Double.init), attention.dense.map(Double.init), dy.dense.map(Double.init))
    expectClose(
      Gating.forward(feature, attention, on: workers), f.indices.map { f[$0] * (1 + a[$0 / channels]) }, within: 3e-7)
    let gradient = Gating.gradient(dy, feature, attention, on: workers)
    expectClose(gradient.feature, g.indices.map { g[$0] * (1 + a[$0 / channels]) }, within: 3e-7)
    let ofAttention = a.indices.map { pixel in
      (0..<channels).reduce(0) { $0 + g[pixel * channels + $1] * f[pixel * channels + $1] }
    }
    expectClose(gradient.attention, ofAttention, within: 1e-6)
  }

  @Test("Results do not depend on the threads or on the other images", arguments: shapes)
  func reproducible(shape: Shape) {
    let inputs = [randomTensor("f", shape), randomTensor("a", shape.with(channels: 1)), randomTensor("dy", shape)]
    expectReproducible(inputs) { inputs, workers in
      let gradient = Gating.gradient(inputs[2], inputs[0], inputs[1], on: workers)
      return [Gating.forward(inputs[0], inputs[1], on: workers), gradient.feature, gradient.attention]
    }
  }
}
