import Kernels
import Microkernels
import Tensors
import Testing

/// Kernels on bfloat16 tensors compute in single precision: each result is that of the same numbers in single precision,
/// rounded at the end. Only products of 1×1 convolutions also round the weights.
@Suite("bfloat16 tensors", .everyInstructionSet)
struct BFloat16KernelTests {
  /// Channels in whole vectors of sixteen and of eight, with padding; one channel stays in single precision.
  private static let shapes = [
    Shape(2, 9, 7, 64), Shape(1, 13, 10, 40), Shape(2, 6, 11, 19), Shape(1, 5, 3, 2), Shape(2, 5, 9, 1),
  ]

  private static let severalChannels = shapes.filter { $0.channels > 1 }

  /// A tensor of bfloat16 numbers, in both precisions.
  private struct Pair {
    let float32: Tensor
    let bfloat16: Tensor

    init(_ name: String, _ shape: Shape) {
      bfloat16 = Tensor(shape, dense: randomTensor(name, shape).dense, .bfloat16)
      float32 = Tensor(shape, dense: bfloat16.dense)
    }
  }

  private let workers = WorkerPool.underTest(threads: 2)

  private func expectRounded(
    _ result: Tensor, _ reference: Tensor, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(result.precision == (reference.shape.channels == 1 ? .float32 : .bfloat16), sourceLocation: sourceLocation)
    let expected = result.precision == .float32 ? reference.dense : reference.dense.map { Float(BFloat16($0)) }
    #expect(result.dense == expected, sourceLocation: sourceLocation)
    // The padding is zero.
    for pixel in 0..<result.shape.pixels {
      for channel in result.shape.channels..<result.shape.stride {
        #expect(result.elements.read(pixel * result.shape.stride + channel) == 0, sourceLocation: sourceLocation)
      }
    }
  }

  @Test("Conversion rounds, and back it is exact", arguments: severalChannels)
  func conversion(_ shape: Shape) {
    let x = randomTensor("x", shape)
    let rounded = Conversion.convert(x, to: .bfloat16, on: workers)
    expectRounded(rounded, x)
    #expect(Conversion.convert(rounded, to: .float32, on: workers).dense == rounded.dense)
  }

  @Test("Batch norm, forward and backward", arguments: shapes)
  func batchNorm(_ shape: Shape) {
    let (z, residual, dy) = (Pair("z", shape), Pair("residual", shape), Pair("dy", shape))
    let sums = BatchNormKernel.sums(z.float32, on: workers)
    #expect(BatchNormKernel.sums(z.bfloat16, on: workers) == sums)
    let normalizer = BatchNormKernel.Normalizer(
      sums: sums[0], count: Double(shape.pixels), gamma: randomFloats("gamma", shape.channels),
      beta: randomFloats("beta", shape.channels))
    func apply(_ z: Tensor, _ residual: Tensor?, relu: Bool) -> Tensor {
      BatchNormKernel.apply(normalizer, to: z, plus: residual, relu: relu, on: workers)
    }
    // The padding of a batch norm's output is zero because scale, shift and z are.
    expectRounded(apply(z.bfloat16, nil, relu: true), apply(z.float32, nil, relu: true))
    let y = apply(z.bfloat16, residual.bfloat16, relu: true)
    expectRounded(y, apply(z.float32, residual.float32, relu: true))

    let output = Tensor(shape, dense: y.dense)
    let (masked, local) = BatchNormKernel.maskedGradientSums(
      dy.bfloat16, output: y, z.bfloat16, [normalizer], on: workers)
    let (reference, expected) = BatchNormKernel.maskedGradientSums(
      dy.float32, output: output, z.float32, [normalizer], on: workers)
    expectRounded(masked, reference)
    #expect(local.sums == expected.sums)
    #expect(local.gamma.values == expected.gamma.values && local.beta.values == expected.beta.values)
    for recomputes in [true, false] {
      func gradient(_ dy: Tensor, _ z: Tensor) -> Tensor {
        BatchNormKernel.inputGradient(
          dy, z, [normalizer], sums: expected.sums, count: Double(shape.pixels), recomputes ? .recomputed : .none,
          on: workers)
      }
      expectRounded(gradient(dy.bfloat16, z.bfloat16), gradient(dy.float32, z.float32))
    }
  }

  @Test("ReLU, sums and gates", arguments: severalChannels)
  func elementwise(_ shape: Shape) {
    let (x, dy) = (Pair("x", shape), Pair("dy", shape))
    let y = ReLU.forward(x.bfloat16, on: workers)
    expectRounded(y, ReLU.forward(x.float32, on: workers))
    let attention = randomTensor("attention", shape.with(channels: 1))
    expectRounded(
      Gating.forward(x.bfloat16, attention, on: workers), Gating.forward(x.float32, attention, on: workers))
    let gradients = Gating.gradient(dy.bfloat16, x.bfloat16, attention, on: workers)
    let expected = Gating.gradient(dy.float32, x.float32, attention, on: workers)
    expectRounded(gradients.feature, expected.feature)
    expectRounded(gradients.attention, expected.attention)
    let sum = Tensor(shape, dense: x.bfloat16.dense, .bfloat16)
    Accumulation.addInPlace(sum, dy.bfloat16, on: workers)
    let reference = Tensor(shape, dense: x.float32.dense)
    Accumulation.addInPlace(reference, dy.float32, on: workers)
    expectRounded(sum, reference)
    let dx = ReLU.gradient(Tensor(shape, dense: dy.bfloat16.dense, .bfloat16), output: y, on: workers)
    expectRounded(
      dx, ReLU.gradient(Tensor(shape, dense: dy.float32.dense), output: Tensor(shape, dense: y.dense), on: workers))
  }

  @Test("Concatenation of both precisions", arguments: severalChannels)
  func concatenation(_ shape: Shape) {
    let x = Pair("x", shape)
    let plane = randomTensor("plane", shape.with(channels: 1))
    let joined = Concatenation.join([x.bfloat16, plane], .bfloat16, on: workers)
    expectRounded(joined, Concatenation.join([x.float32, plane], on: workers))
    let split = Concatenation.split(joined, into: [shape.channels, 1], on: workers)
    expectRounded(split[0], x.float32)
    #expect(split[1].dense == plane.dense.map { Float(BFloat16($0)) })
  }

  @Test("Pooling and interpolation", arguments: severalChannels)
  func resampling(_ shape: Shape) {
    let x = Pair("x", shape)
    let (y, indices) = Pooling.max3x3(x.bfloat16, on: workers)
    let (expected, expectedIndices) = Pooling.max3x3(x.float32, on: workers)
    expectRounded(y, expected)
    let dy = Pair("dy", y.shape)
    expectRounded(
      Pooling.maxGradient(dy.bfloat16, argmax: indices, inputShape: shape, on: workers),
      Pooling.maxGradient(dy.float32, argmax: expectedIndices, inputShape: shape, on: workers))
    for operation in [
      Pooling.average2x2Stride2, Pooling.average2x2Stride1, Pooling.average2x2Stride1Gradient, Pooling.globalAverage,
    ] { expectRounded(operation(x.bfloat16, workers), operation(x.float32, workers)) }
    expectRounded(
      Pooling.average2x2Stride2Gradient(dy.bfloat16, inputShape: shape, on: workers),
      Pooling.average2x2Stride2Gradient(dy.float32, inputShape: shape, on: workers))
    for corners in [Interpolation.Corners.aligned, .halfPixel] {
      let size = Size(shape.height * 2 - 1, shape.width + 3)
      let reference = Interpolation.resize(x.float32, to: size, corners: corners, on: workers)
      expectRounded(Interpolation.resize(x.bfloat16, to: size, corners: corners, on: workers), reference)
      let float32 = Interpolation.resize(x.bfloat16, to: size, corners: corners, precision: .float32, on: workers)
      #expect(float32.dense == reference.dense)
      let gradient = randomTensor("gradient", reference.shape)
      expectRounded(
        Interpolation.gradient(gradient, inputSize: shape.size, corners: corners, precision: .bfloat16, on: workers),
        Interpolation.gradient(gradient, inputSize: shape.size, corners: corners, on: workers))
    }
  }

  @Test("3×3 convolutions: transforms and products are in single precision", arguments: severalChannels, [1, 2, 5])
  func spatial(_ shape: Shape, dilation: Int) {
    let outputs = 24
    let weight = randomFilter("w", kernel: 3, shape.channels, outputs)
    let (x, dy) = (Pair("x", shape), Pair("dy", shape.with(channels: outputs)))
    let residual = Pair("residual", dy.float32.shape)
    func epilogue(_ residual: Tensor) -> Epilogue? {
      Epilogue(bias: randomFloats("bias", outputs), residual: residual, relu: true)
    }
    expectRounded(
      SpatialConvolution.forward(
        x.bfloat16, weight, dilation: dilation, epilogue: epilogue(residual.bfloat16), on: workers),
      SpatialConvolution.forward(
        x.float32, weight, dilation: dilation, epilogue: epilogue(residual.float32), on: workers))
    expectRounded(
      SpatialConvolution.inputGradient(dy.bfloat16, weight, dilation: dilation, on: workers),
      SpatialConvolution.inputGradient(dy.float32, weight, dilation: dilation, on: workers))
    let (dw, expected) = (Filter(like: weight), Filter(like: weight))
    SpatialConvolution.weightGradient(x.bfloat16, dy.bfloat16, dilation: dilation, into: dw, on: workers)
    SpatialConvolution.weightGradient(x.float32, dy.float32, dilation: dilation, into: expected, on: workers)
    #expect(dw.floats.values == expected.floats.values)
  }

  @Test("Strided convolutions", arguments: severalChannels)
  func strided(_ shape: Shape) {
    let outputs = 24
    let weight = randomFilter("w", kernel: 3, shape.channels, outputs)
    let x = Pair("x", shape)
    let z = StridedConvolution.forward(x.bfloat16, weight, on: workers)
    expectRounded(z, StridedConvolution.forward(x.float32, weight, on: workers))
    let dz = Pair("dz", z.shape)
    expectRounded(
      StridedConvolution.inputGradient(dz.bfloat16, weight, inputSize: shape.size, on: workers),
      StridedConvolution.inputGradient(dz.float32, weight, inputSize: shape.size, on: workers))
    let (dw, expected) = (Filter(like: weight), Filter(like: weight))
    StridedConvolution.weightGradient(x.bfloat16, dz.bfloat16, into: dw, on: workers)
    StridedConvolution.weightGradient(x.float32, dz.float32, into: expected, on: workers)
    #expect(dw.floats.values == expected.floats.values)
  }

  @Test("1×1 convolutions round the weights, and nothing else before the result", arguments: shapes, [1, 24, 33])
  func pointwise(_ shape: Shape, outputs: Int) {
    guard shape.channels > 1 || outputs > 1 else { return }
    let (x, dz) = (Pair("x", shape), Pair("dz", shape.with(channels: outputs)))
    let weight = randomFilter("w", kernel: 1, shape.channels, outputs)
    let isProduct = shape.channels > 1 && outputs > 1
    let rounded = Filter(like: weight)
    for i in 0..<weight.floats.count {
      rounded.floats[i] = isProduct ? Float(BFloat16(weight.floats[i])) : weight.floats[i]
    }
    /// Within half a unit of the last place of the result, or of the order of additions.
    func expectClose(_ result: Tensor, _ reference: Tensor, sourceLocation: SourceLocation = #_sourceLocation) {
      #expect(result.precision == (result.shape.channels == 1 ? .float32 : .bfloat16))
      let worst = zip(result.dense, reference.dense).map { abs($0 - $1) / (abs($1) / 256 + 1e-5) }.max() ?? 0
      #expect(worst <= 1, sourceLocation: sourceLocation)
    }
    let bias = randomFloats("bias", outputs)
    expectClose(
      PointwiseConvolution.forward(x.bfloat16, weight, bias: bias, precision: .bfloat16, on: workers),
      PointwiseConvolution.forward(x.float32, rounded, bias: bias, on: workers))
    expectClose(
      PointwiseConvolution.inputGradient(dz.bfloat16, weight, precision: .bfloat16, on: workers),
      PointwiseConvolution.inputGradient(dz.float32, rounded, on: workers))
    let (dw, expected) = (Filter(like: weight), Filter(like: weight))
    PointwiseConvolution.weightGradient(x.bfloat16, dz.bfloat16, into: dw, on: workers)
    PointwiseConvolution.weightGradient(x.float32, dz.float32, into: expected, on: workers)
    let worst = zip(dw.floats.values, expected.floats.values).map { abs($0 - $1) }.max() ?? 0
    #expect(worst < 1e-4)
  }

  @Test("The same bits with any number of threads")
  func threads() {
    let x = Pair("x", Shape(2, 37, 41, 64))
    let weight = randomFilter("w", kernel: 1, 64, 256)
    let dz = Pair("dz", Shape(2, 37, 41, 256))
    func results(threads: Int) -> [[Float]] {
      let workers = WorkerPool.underTest(threads: threads)
      let dw = Filter(like: weight)
      PointwiseConvolution.weightGradient(x.bfloat16, dz.bfloat16, into: dw, on: workers)
      return [
        PointwiseConvolution.forward(x.bfloat16, weight, on: workers).dense,
        PointwiseConvolution.inputGradient(dz.bfloat16, weight, on: workers).dense, dw.floats.values,
      ]
    }
    let one = results(threads: 1)
    #expect(results(threads: 2) == one)
    #expect(results(threads: 3) == one)
  }

  @Test("Rows are copied in either precision")
  func rowTiles() {
    let source = Pair("source", Shape(2, 8, 5, 24)).bfloat16
    let target = Tensor.zeros(Shape(2, 3, 5, 24), .bfloat16)
    RowTiles.copy(rows: 0..<3, of: target, fromRow: 4, of: source, on: workers)
    for row in 0..<3 { #expect(target[1, row, 2, 7] == source[1, row + 4, 2, 7]) }
  }
}
