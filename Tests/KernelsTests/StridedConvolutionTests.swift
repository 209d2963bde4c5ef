import Kernels
import Tensors
import Testing

@Suite("3×3 convolution with stride 2", .everyInstructionSet)
struct StridedConvolutionTests {
  private struct Case: CustomTestStringConvertible, Sendable {
    let shape: Shape
    let outputs: Int
    var testDescription: String { "\(shape) to \(outputs)" }
  }

  private static let cases = [
    Case(shape: Shape(2, 21, 30, 3), outputs: 32), Case(shape: Shape(3, 16, 17, 3), outputs: 19),
    Case(shape: Shape(2, 9, 11, 128), outputs: 128), Case(shape: Shape(1, 8, 6, 24), outputs: 40),
    Case(shape: Shape(2, 1, 1, 16), outputs: 8), Case(shape: Shape(1, 1, 7, 9), outputs: 17),
    Case(shape: Shape(1, 5, 2, 33), outputs: 9), Case(shape: Shape(2, 70, 66, 8), outputs: 16),
  ]

  private static func operands(_ test: Case) -> (x: Tensor, weight: Filter, dz: Tensor) {
    let size = StridedConvolution.outputSize(of: test.shape.size)
    return (
      randomTensor("x", test.shape), randomFilter("w", kernel: 3, test.shape.channels, test.outputs),
      randomTensor("dz", test.shape.with(size: size).with(channels: test.outputs))
    )
  }

  @Test("The output and both gradients agree with plain double-precision loops", arguments: cases)
  private func agreesWithPlainLoops(_ test: Case) {
    let (x, weight, dz) = Self.operands(test)
    let (inputs, outputs) = (test.shape.channels, test.outputs)
    let (xs, ws, gs) = (x.dense, weight.floats.values, dz.dense)
    var z = [Double](repeating: 0, count: gs.count)
    var dx = [Double](repeating: 0, count: xs.count)
    var dw = [Double](repeating: 0, count: ws.count)
    for n in 0..<test.shape.images {
      for oy in 0..<dz.shape.height {
        for ox in 0..<dz.shape.width {
          let to = ((n * dz.shape.height + oy) * dz.shape.width + ox) * outputs
          for tap in 0..<9 {
            let (y, column) = (2 * oy + tap / 3 - 1, 2 * ox + tap % 3 - 1)
            guard (0..<test.shape.height).contains(y), (0..<test.shape.width).contains(column) else { continue }
            let from = ((n * test.shape.height + y) * test.shape.width + column) * inputs
            for c in 0..<inputs {
              for k in 0..<outputs {
                let w = (tap * inputs + c) * outputs + k
                z[to + k] += Double(xs[from + c]) * Double(ws[w])
                dx[from + c] += Double(gs[to + k]) * Double(ws[w])
                dw[w] += Double(xs[from + c]) * Double(gs[to + k])
              }
            }
          }
        }
      }
    }
    let workers = WorkerPool.underTest(threads: 2)
    expectClose(StridedConvolution.forward(x, weight, on: workers), z)
    expectClose(StridedConvolution.inputGradient(dz, weight, inputSize: test.shape.size, on: workers), dx)
    let gradient = filterAmidSentinels(like: weight)
    StridedConvolution.weightGradient(x, dz, into: gradient, on: workers)
    expectClose(gradient.floats.values, dw)
    expectSentinels(around: gradient.floats)
  }

  @Test("Results do not depend on the threads or on the other images", arguments: cases)
  private func bitsAreReproducible(_ test: Case) {
    let (x, weight, dz) = Self.operands(test)
    func everything(_ x: Tensor, _ dz: Tensor, threads: Int) -> [[Float]] {
      let workers = WorkerPool.underTest(threads: threads)
      let dw = Filter(like: weight)
      StridedConvolution.weightGradient(x, dz, into: dw, on: workers)
      return [
        StridedConvolution.forward(x, weight, on: workers).dense,
        StridedConvolution.inputGradient(dz, weight, inputSize: test.shape.size, on: workers).dense,
        dw.floats.values,
      ]
    }
    let whole = everything(x, dz, threads: 1)
    #expect(everything(x, dz, threads: 2) == whole)
    #expect(everything(x, dz, threads: 3) == whole)

    let alone = (0..<test.shape.images).map { everything(image($0, of: x), image($0, of: dz), threads: 2) }
    #expect(alone.flatMap { $0[0] } == whole[0])
    #expect(alone.flatMap { $0[1] } == whole[1])
    #expect(pairwiseSum(alone.map { $0[2] }) == whole[2])
  }
}
