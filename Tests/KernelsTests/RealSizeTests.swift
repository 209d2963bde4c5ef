import Kernels
import Tensors
import Testing

/// The errors of the fast algorithms at the sizes of the network's layers for crops of 512×512, sampled against double
/// precision and relative to the largest value. With the widest instruction set alone: they take long.
@Suite("Errors at the sizes of the network's layers", .serialized)
struct RealSizeTests {
  /// Side of the feature maps, channels in and out, dilation.
  static let spatial = [
    (512, 64, 64, 1), (512, 16, 16, 1), (128, 64, 64, 1), (128, 304, 256, 1), (64, 128, 128, 1), (64, 256, 256, 2),
    (64, 512, 512, 4), (64, 2048, 256, 12), (64, 2048, 256, 24), (64, 2048, 256, 36),
  ]

  @Test("The error of Winograd convolutions is within 3e-5 of the largest value", arguments: spatial)
  func winograd(side: Int, inputs: Int, outputs: Int, dilation: Int) {
    let workers = WorkerPool(threads: 2)
    let operands = SpatialCase(Shape(1, side, side, inputs), outputs: outputs, dilation: dilation)
    let (y, dx) = (operands.forward(workers), operands.inputGradient(workers))
    let dw = operands.weightGradient(workers)
    let reference = operands.reference
    var numbers = RandomNumbers(5)
    var results: [(y: Float, dx: Float, dw: Float)] = []
    var expected: [(y: Double, dx: Double, dw: Double)] = []
    for _ in 0..<96 {
      let (row, column) = (numbers.uniform(below: side), numbers.uniform(below: side))
      let (c, k, tap) = (numbers.uniform(below: inputs), numbers.uniform(below: outputs), numbers.uniform(below: 9))
      results.append((y[0, row, column, k], dx[0, row, column, c], dw[(tap * inputs + c) * outputs + k]))
      expected.append(
        (
          reference.forward(row, column, k, operands), reference.inputGradient(row, column, c, operands),
          reference.weightGradient(tap, c, k, operands)
        ))
    }
    #expect(SpatialReference.relativeError(results.map(\.y), expected.map(\.y)) <= 3e-5)
    #expect(SpatialReference.relativeError(results.map(\.dx), expected.map(\.dx)) <= 3e-5)
    #expect(SpatialReference.relativeError(results.map(\.dw), expected.map(\.dw)) <= 3e-5)
  }

  @Test(
    "The error of Strassen products is within 5e-6 of the largest value",
    arguments: [(1024, 256), (256, 1024), (512, 2048), (2048, 512)])
  func strassen(inputs: Int, outputs: Int) {
    let workers = WorkerPool(threads: 2)
    let x = randomTensor("x", Shape(1, 64, 64, inputs))
    let dz = randomTensor("dz", Shape(1, 64, 64, outputs))
    let weight = randomFilter("w", kernel: 1, inputs, outputs)
    let bias = randomFloats("bias", outputs)
    let dw = Filter(like: weight)
    let z = PointwiseConvolution.forward(x, weight, bias: bias, on: workers)
    let dx = PointwiseConvolution.inputGradient(dz, weight, on: workers)
    PointwiseConvolution.weightGradient(x, dz, into: dw, on: workers)
    var numbers = RandomNumbers(6)
    var results: [(z: Float, dx: Float, dw: Float)] = []
    var expected: [(z: Double, dx: Double, dw: Double)] = []
    for _ in 0..<400 {
      let (pixel, c, k) = (
        numbers.uniform(below: 64 * 64), numbers.uniform(below: inputs), numbers.uniform(below: outputs)
      )
      results.append((z.start[pixel * outputs + k], dx.start[pixel * inputs + c], dw.start[c * outputs + k]))
      let forward = (0..<inputs).reduce(Double(bias[k])) {
        $0 + Double(x.start[pixel * inputs + $1]) * Double(weight.start[$1 * outputs + k])
      }
      let back = (0..<outputs).reduce(0.0) {
        $0 + Double(dz.start[pixel * outputs + $1]) * Double(weight.start[c * outputs + $1])
      }
      let gradient = (0..<64 * 64).reduce(0.0) {
        $0 + Double(x.start[$1 * inputs + c]) * Double(dz.start[$1 * outputs + k])
      }
      expected.append((forward, back, gradient))
    }
    #expect(SpatialReference.relativeError(results.map(\.z), expected.map(\.z)) <= 5e-6)
    #expect(SpatialReference.relativeError(results.map(\.dx), expected.map(\.dx)) <= 5e-6)
    #expect(SpatialReference.relativeError(results.map(\.dw), expected.map(\.dw)) <= 5e-6)
  }
}
