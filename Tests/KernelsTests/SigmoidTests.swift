import Foundation
import Kernels
import Tensors
import Testing

@Suite("Sigmoid")
struct SigmoidTests {
  static let shapes = [
    Shape(1, 1, 1, 1), Shape(3, 5, 7, 1), Shape(2, 4, 3, 19), Shape(2, 3, 5, 8), Shape(1, 131, 127, 1),
  ]

  @Test("Values and gradients are those of 1 / (1 + e⁻ˣ)", arguments: shapes)
  func definition(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let x = Tensor(shape, dense: randomTensor("x", shape).dense.map { 30 * $0 })
    let dy = randomTensor("dy", shape)
    let exact = x.dense.map { 1 / (1 + exp(-Double($0))) }
    let y = Sigmoid.forward(x, on: workers)
    expectClose(y, exact, within: 2e-7)
    let slopes = zip(dy.dense, exact).map { Double($0) * $1 * (1 - $1) }
    expectClose(Sigmoid.gradient(dy, output: y, on: workers), slopes, within: 2e-7)
  }

  @Test("Small probabilities keep their digits, and the ends are 0 and 1")
  func ends() {
    let x = Tensor(Shape(1, 1, 6, 1), dense: [-200, -80, -20, 20, 200, .nan])
    let y = Sigmoid.forward(x, on: WorkerPool(threads: 1)).dense
    #expect(y[0] == 0 && y[3] == 1 && y[4] == 1 && y[5].isNaN)
    #expect(abs(Double(y[1]) / exp(-80) - 1) < 5e-7)
    #expect(abs(Double(y[2]) * (1 + exp(20)) - 1) < 5e-7)
  }

  @Test("Results do not depend on the threads or on the other images", arguments: shapes)
  func reproducible(shape: Shape) {
    expectReproducible([randomTensor("x", shape), randomTensor("dy", shape)]) { inputs, workers in
      let y = Sigmoid.forward(inputs[0], on: workers)
      return [y, Sigmoid.gradient(inputs[1], output: y, on: workers)]
    }
  }
}
