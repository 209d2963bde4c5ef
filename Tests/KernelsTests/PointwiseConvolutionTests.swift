import Kernels
import Tensors
import Testing

@Suite("1×1 convolution", .everyInstructionSet)
struct PointwiseConvolutionTests {
  private struct Case: CustomTestStringConvertible, Sendable {
    let shape: Shape
    let outputs: Int
    let bias: Bool
    var testDescription: String { "\(shape) to \(outputs)\(bias ? " with bias" : "")" }
  }

  /// The channel counts of the network at odd sizes: many and few channels, one channel in or out, single pixels.
  private static let cases = [
    Case(shape: Shape(2, 7, 9, 64), outputs: 128, bias: false),
    Case(shape: Shape(1, 5, 3, 256), outputs: 320, bias: true),
    Case(shape: Shape(3, 11, 13, 33), outputs: 33, bias: true),
    Case(shape: Shape(2, 5, 5, 17), outputs: 17, bias: true),
    Case(shape: Shape(1, 37, 41, 9), outputs: 9, bias: true),
    Case(shape: Shape(2, 9, 7, 33), outputs: 1, bias: true),
    Case(shape: Shape(2, 9, 7, 8), outputs: 1, bias: false),
    Case(shape: Shape(1, 6, 5, 512), outputs: 1, bias: true),
    Case(shape: Shape(3, 33, 35, 2), outputs: 1, bias: false),
    Case(shape: Shape(2, 25, 43, 1), outputs: 256, bias: false),
    Case(shape: Shape(1, 5, 5, 1), outputs: 9, bias: true),
    Case(shape: Shape(1, 8, 8, 256), outputs: 48, bias: false),
    Case(shape: Shape(2, 8, 8, 256), outputs: 19, bias: false),
    Case(shape: Shape(4, 1, 1, 2048), outputs: 256, bias: false),
    Case(shape: Shape(2, 45, 53, 16), outputs: 8, bias: true),
  ]

  private static func operands(_ test: Case) -> (x: Tensor, weight: Filter, bias: FloatSlice?, dz: Tensor) {
    let x = randomTensor("x", test.shape)
    let weight = randomFilter("w", kernel: 1, test.shape.channels, test.outputs)
    let dz = randomTensor("dz", test.shape.with(channels: test.outputs))
    return (x, weight, test.bias ? randomFloats("b", test.outputs) : nil, dz)
  }

  @Test("The output and all gradients agree with plain double-precision loops", arguments: cases)
  private func agreesWithPlainLoops(_ test: Case) {
    let (x, weight, bias, dz) = Self.operands(test)
    let (inputs, outputs, pixels) = (test.shape.channels, test.outputs, test.shape.pixels)
    let (xs, ws, gs) = (x.dense, weight.floats.values, dz.dense)
    var z = [Double](), dx = [Double](), dw = [Double](), db = [Double]()
    for p in 0..<pixels {
      for k in 0..<outputs {
        var sum = Double(bias?[k] ?? 0)
        for c in 0..<inputs { sum += Double(xs[p * inputs + c]) * Double(ws[c * outputs + k]) }
        z.append(sum)
      }
      for c in 0..<inputs {
        var sum = 0.0
        for k in 0..<outputs { sum += Double(gs[p * outputs + k]) * Double(ws[c * outputs + k]) }
        dx.append(sum)
      }
    }
    for c in 0..<inputs {
      for k in 0..<outputs {
        var sum = 0.0
        for p in 0..<pixels { sum += Double(xs[p * inputs + c]) * Double(gs[p * outputs + k]) }
        dw.append(sum)
      }
    }
    for k in 0..<outputs { db.append((0..<pixels).reduce(0) { $0 + Double(gs[$1 * outputs + k]) }) }

    let workers = WorkerPool.underTest(threads: 2)
    expectClose(PointwiseConvolution.forward(x, weight, bias: bias, on: workers), z)
    expectClose(PointwiseConvolution.inputGradient(dz, weight, on: workers), dx)
    let gradient = filterAmidSentinels(like: weight)
    PointwiseConvolution.weightGradient(x, dz, into: gradient, on: workers)
    expectClose(gradient.floats.values, dw)
    expectSentinels(around: gradient.floats)
    let biasGradient = FloatSlice(count: outputs)
    PointwiseConvolution.biasGradient(dz, into: biasGradient, on: workers)
    expectClose(biasGradient.values, db)
  }

  @Test("Results do not depend on the threads or on the other images", arguments: cases)
  private func bitsAreReproducible(_ test: Case) {
    let (x, weight, bias, dz) = Self.operands(test)
    func everything(_ x: Tensor, _ dz: Tensor, threads: Int) -> [[Float]] {
      let workers = WorkerPool.underTest(threads: threads)
      let dw = Filter(like: weight)
      PointwiseConvolution.weightGradient(x, dz, into: dw, on: workers)
      let db = FloatSlice(count: test.outputs)
      PointwiseConvolution.biasGradient(dz, into: db, on: workers)
      return [
        PointwiseConvolution.forward(x, weight, bias: bias, on: workers).dense,
        PointwiseConvolution.inputGradient(dz, weight, on: workers).dense, dw.floats.values, db.values,
      ]
    }
    let whole = everything(x, dz, threads: 1)
    #expect(everything(x, dz, threads: 2) == whole)
    #expect(everything(x, dz, threads: 3) == whole)

    let alone = (0..<test.shape.images).map { everything(image($0, of: x), image($0, of: dz), threads: 2) }
    #expect(alone.flatMap { $0[0] } == whole[0])
    #expect(alone.flatMap { $0[1] } == whole[1])
    #expect(pairwiseSum(alone.map { $0[2] }) == whole[2])
    #expect(pairwiseSum(alone.map { $0[3] }) == whole[3])
  }

  @Test("Weight gradients summed in segments and blocks agree with a plain loop")
  func segments() {
    let (x, dz) = (randomTensor("x", Shape(3, 67, 71, 24)), randomTensor("dz", Shape(3, 67, 71, 264)))
    let dw = Filter(like: randomFilter("w", kernel: 1, 24, 264))
    PointwiseConvolution.weightGradient(x, dz, into: dw, on: WorkerPool.underTest(threads: 2))
    let (xs, gs) = (x.dense, dz.dense)
    for (c, k) in [(0, 0), (23, 263), (7, 255), (8, 256), (16, 100)] {
      var sum = 0.0
      for p in 0..<x.shape.pixels { sum += Double(xs[p * 24 + c]) * Double(gs[p * 264 + k]) }
      #expect(abs(Double(dw.start[c * 264 + k]) - sum) < 1e-3)
    }
  }
}
