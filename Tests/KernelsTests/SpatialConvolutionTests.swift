import Kernels
import Tensors
import Testing

@Suite("Spatial convolution", .everyInstructionSet)
struct SpatialConvolutionTests {
  /// Height and width; channels in and out.
  static let sizes = [(1, 1), (2, 3), (5, 7), (9, 16), (13, 8), (24, 37)]
  static let channels = [(1, 3), (3, 1), (8, 16), (9, 24), (33, 16), (16, 33)]

  @Test("Forward and both gradients are the sums that define them", arguments: [1, 2, 3, 4, 12, 24, 36], sizes)
  func definition(dilation: Int, size: (Int, Int)) {
    let workers = WorkerPool.underTest(threads: 2)
    for (index, (inputs, outputs)) in Self.channels.enumerated() {
      let shape = Shape(1 + index % 3, size.0, size.1, inputs)
      let operands = SpatialCase(shape, outputs: outputs, dilation: dilation)
      check(operands, workers, within: 3e-5)
    }
  }

  @Test("Dilated lines of every length agree with the definition", arguments: [1, 2, 3, 4, 5, 6, 7, 8, 9])
  func lines(length: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    // Lines of two lengths along each axis, so that all four groups of tiles occur.
    let operands = SpatialCase(Shape(1, 5 * length + 2, 3 * length + 1, 8), outputs: 8, dilation: 5)
    check(operands, workers, within: 3e-5)
    // F(6, 3) is less accurate than the others.
    let even = SpatialCase(Shape(1, 3 * length, 3 * length, 16), outputs: 16, dilation: 3)
    check(even, workers, within: length == 5 || length == 6 ? 3e-5 : 1.5e-5)
  }

  @Test("Many channels, computed in multiple passes, agree with the definition", arguments: [1, 4])
  func manyChannels(dilation: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    let operands = SpatialCase(Shape(2, 9, 6, 552), outputs: 520, dilation: dilation)
    check(operands, workers, within: 3e-5)
  }

  @Test("An image with more tiles than the workspace holds agrees with the definition at sampled places")
  func manyTiles() {
    let workers = WorkerPool.underTest(threads: 2)
    let operands = SpatialCase(Shape(1, 108, 104, 2056), outputs: 16, dilation: 1)
    let (y, dx) = (operands.forward(workers), operands.inputGradient(workers))
    let dw = operands.weightGradient(workers)
    let reference = operands.reference
    var numbers = RandomNumbers(7)
    var results: [(y: Float, dx: Float, dw: Float)] = []
    var expected: [(y: Double, dx: Double, dw: Double)] = []
    for _ in 0..<200 {
      let (row, column) = (numbers.uniform(below: 108), numbers.uniform(below: 104))
      let (c, k, tap) = (numbers.uniform(below: 2056), numbers.uniform(below: 16), numbers.uniform(below: 9))
      results.append((y[0, row, column, k], dx[0, row, column, c], dw[(tap * 2056 + c) * 16 + k]))
      expected.append(
        (
          reference.forward(row, column, k, operands), reference.inputGradient(row, column, c, operands),
          reference.weightGradient(tap, c, k, operands)
        ))
    }
    #expect(SpatialReference.relativeError(results.map(\.y), expected.map(\.y)) <= 1.5e-5)
    #expect(SpatialReference.relativeError(results.map(\.dx), expected.map(\.dx)) <= 1.5e-5)
    #expect(SpatialReference.relativeError(results.map(\.dw), expected.map(\.dw)) <= 1.5e-5)
  }

  private func check(_ operands: SpatialCase, _ workers: WorkerPool, within bound: Double) {
    let reference = operands.reference
    let x = operands.x.dense.map(Double.init)
    let dy = operands.dy.dense.map(Double.init)
    let w = operands.weight.floats.values.map(Double.init)
    let y = operands.forward(workers)
    let dx = operands.inputGradient(workers)
    let case_ = "\(operands.x.shape) to \(operands.weight.outputs), dilation \(operands.dilation)"
    #expect(SpatialReference.relativeError(y.dense, reference.forward(x, w)) <= bound, "y of \(case_)")
    #expect(SpatialReference.relativeError(dx.dense, reference.inputGradient(dy, w)) <= bound, "dx of \(case_)")
    #expect(
      SpatialReference.relativeError(operands.weightGradient(workers), reference.weightGradient(x, dy)) <= bound,
      "dw of \(case_)")
    #expect(paddingIsZero(y) && paddingIsZero(dx), "padding of \(case_)")
  }

  private func paddingIsZero(_ tensor: Tensor) -> Bool {
    let (channels, stride) = (tensor.shape.channels, tensor.shape.stride)
    return (0..<tensor.shape.count).allSatisfy { $0 % stride < channels || tensor.start[$0] == 0 }
  }
}

@Suite("Reproducibility of spatial convolution", .everyInstructionSet)
struct SpatialDeterminismTests {
  /// Shapes on both sides of every change of algorithm, with uneven last blocks, segments and chunks.
  static let cases = [
    (Shape(3, 61, 59, 16), 16, 1), (Shape(3, 37, 41, 33), 24, 2), (Shape(3, 13, 11, 136), 136, 1),
    (Shape(3, 14, 9, 520), 528, 3),
  ]

  @Test("Results do not depend on the number of threads", arguments: cases)
  func threads(shape: Shape, outputs: Int, dilation: Int) {
    let operands = SpatialCase(shape, outputs: outputs, dilation: dilation)
    let one = WorkerPool.underTest(threads: 1)
    let (y, dx, dw) = (operands.forward(one), operands.inputGradient(one), operands.weightGradient(one))
    for threads in [2, 3] {
      let workers = WorkerPool.underTest(threads: threads)
      #expect(bits(operands.forward(workers)) == bits(y))
      #expect(bits(operands.inputGradient(workers)) == bits(dx))
      #expect(operands.weightGradient(workers).map(\.bitPattern) == dw.map(\.bitPattern))
    }
  }

  @Test("An image of a batch gives the bits of the same image alone", arguments: cases)
  func images(shape: Shape, outputs: Int, dilation: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    let operands = SpatialCase(shape, outputs: outputs, dilation: dilation)
    let alone = (0..<shape.images).map { SpatialCase(operands, image: $0) }
    #expect(bits(operands.forward(workers)) == alone.flatMap { bits($0.forward(workers)) })
    #expect(bits(operands.inputGradient(workers)) == alone.flatMap { bits($0.inputGradient(workers)) })

    var sum = PairwiseSum(count: operands.weight.floats.count)
    for image in alone { sum.add(consuming: FloatSlice(image.weightGradient(workers))) }
    #expect(operands.weightGradient(workers).map(\.bitPattern) == sum.total().values.map(\.bitPattern))
  }
}
