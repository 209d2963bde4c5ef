import Kernels
import Tensors
import Testing

@Suite("Pooling")
struct PoolingTests {
  static let shapes = [
    Shape(1, 1, 1, 2), Shape(2, 1, 6, 8), Shape(1, 5, 1, 3), Shape(3, 2, 2, 9), Shape(2, 7, 6, 64), Shape(1, 9, 13, 19),
    Shape(2, 37, 32, 16),
  ]

  private func half(_ shape: Shape) -> Shape { shape.with(size: Size((shape.height + 1) / 2, (shape.width + 1) / 2)) }

  /// Calls `body` for each output value with its index and the dense indices of the pixels of its window that lie in
  /// the image, row by row.
  private func forEachWindow(
    _ input: Shape, _ output: Shape, step: Int, from: Int, through: Int, _ body: (Int, [Int]) -> Void
  ) {
    for index in 0..<output.pixels * output.channels {
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: output.channels)
      let (line, column) = pixel.quotientAndRemainder(dividingBy: output.width)
      let (image, row) = line.quotientAndRemainder(dividingBy: output.height)
      var window: [Int] = []
      for i in step * row + from...step * row + through where (0..<input.height).contains(i) {
        for j in step * column + from...step * column + through where (0..<input.width).contains(j) {
          window.append(((image * input.height + i) * input.width + j) * input.channels + channel)
        }
      }
      body(index, window)
    }
  }

  @Test("Max pooling takes the largest of 9 values; the first of several gets the gradient", arguments: shapes)
  func maximum(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    // Few different values, so that most windows have several maxima.
    let x = Tensor(shape, dense: randomTensor("x", shape).dense.map { ($0 * 1.5).rounded() - 3 })
    let dy = randomTensor("dy", half(shape))
    let values = x.dense
    let gradient = dy.dense
    var expected = [Double](repeating: 0, count: gradient.count)
    var expectedGradient = [Double](repeating: 0, count: values.count)
    forEachWindow(shape, dy.shape, step: 2, from: -1, through: 1) { index, window in
      var argmax = window[0]
      for place in window where values[place] > values[argmax] { argmax = place }
      expected[index] = Double(values[argmax])
      expectedGradient[argmax] += Double(gradient[index])
    }
    let (y, argmax) = Pooling.max3x3(x, on: workers)
    #expect(y.shape == dy.shape)
    expectClose(y, expected, within: 0)
    expectClose(
      Pooling.maxGradient(dy, argmax: argmax, inputShape: shape, on: workers), expectedGradient, within: 3e-7)
  }

  @Test("Max pooling treats −∞ and NaN like PyTorch")
  func maximumOfExtremes() {
    let workers = WorkerPool(threads: 1)
    let infinite = Tensor(Shape(1, 2, 2, 2), dense: [Float](repeating: -.infinity, count: 8))
    let (y, argmax) = Pooling.max3x3(infinite, on: workers)
    #expect(y.dense == [-.infinity, -.infinity])
    let dy = Tensor(y.shape, dense: [2, 3])
    let dx = Pooling.maxGradient(dy, argmax: argmax, inputShape: infinite.shape, on: workers)
    #expect(dx.dense == [2, 3, 0, 0, 0, 0, 0, 0])
    let undefined = Tensor(Shape(1, 2, 2, 2), dense: [1, 1, .nan, 2, 3, .nan, 4, 5])
    #expect(Pooling.max3x3(undefined, on: workers).0.dense.allSatisfy { $0.isNaN })
  }

  @Test("Average pooling with stride 2 counts only pixels of the image", arguments: shapes)
  func average2x2Stride2(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let x = randomTensor("x", shape)
    let dy = randomTensor("dy", half(shape))
    let values = x.dense
    var expected = [Double](repeating: 0, count: dy.dense.count)
    var expectedGradient = [Double](repeating: 0, count: values.count)
    let gradient = dy.dense
    forEachWindow(shape, dy.shape, step: 2, from: 0, through: 1) { index, window in
      for place in window {
        expected[index] += Double(values[place]) / Double(window.count)
        expectedGradient[place] += Double(gradient[index]) / Double(window.count)
      }
    }
    expectClose(Pooling.average2x2Stride2(x, on: workers), expected, within: 3e-7)
    expectClose(Pooling.average2x2Stride2Gradient(dy, inputShape: shape, on: workers), expectedGradient, within: 3e-7)
  }

  @Test("Average pooling with stride 1 counts the zeros beyond the last row and column", arguments: shapes)
  func average2x2Stride1(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let x = randomTensor("x", shape)
    let dy = randomTensor("dy", shape)
    let values = x.dense
    let gradient = dy.dense
    var expected = [Double](repeating: 0, count: values.count)
    var expectedGradient = [Double](repeating: 0, count: values.count)
    forEachWindow(shape, shape, step: 1, from: 0, through: 1) { index, window in
      for place in window {
        expected[index] += Double(values[place]) / 4
        expectedGradient[place] += Double(gradient[index]) / 4
      }
    }
    expectClose(Pooling.average2x2Stride1(x, on: workers), expected, within: 3e-7)
    expectClose(Pooling.average2x2Stride1Gradient(dy, on: workers), expectedGradient, within: 3e-7)
  }

  @Test("Global average pooling and its gradient agree with their definition", arguments: shapes)
  func global(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let x = randomTensor("x", shape)
    let values = x.dense
    let (pixels, channels) = (shape.pixelsPerImage, shape.channels)
    var expected = [Double](repeating: 0, count: shape.images * channels)
    for (index, value) in values.enumerated() {
      expected[index / (pixels * channels) * channels + index % channels] += Double(value) / Double(pixels)
    }
    expectClose(Pooling.globalAverage(x, on: workers), expected, within: 3e-7)
    let dy = randomTensor("dy", shape.with(size: Size(1, 1)))
    let gradient = dy.dense
    let expectedGradient = values.indices.map {
      Double(gradient[$0 / (pixels * channels) * channels + $0 % channels]) / Double(pixels)
    }
    expectClose(Pooling.globalAverageGradient(dy, inputSize: shape.size, on: workers), expectedGradient, within: 3e-7)
  }

  @Test("Results do not depend on the threads or on the other images", arguments: shapes)
  func reproducible(shape: Shape) {
    let inputs = [
      randomTensor("x", shape), randomTensor("half", half(shape)), randomTensor("same", shape),
      randomTensor("one", shape.with(size: Size(1, 1))),
    ]
    expectReproducible(inputs) { inputs, workers in
      let x = inputs[0]
      let (y, argmax) = Pooling.max3x3(x, on: workers)
      return [
        y, Pooling.maxGradient(inputs[1], argmax: argmax, inputShape: x.shape, on: workers),
        Pooling.average2x2Stride2(x, on: workers),
        Pooling.average2x2Stride2Gradient(inputs[1], inputShape: x.shape, on: workers),
        Pooling.average2x2Stride1(x, on: workers), Pooling.average2x2Stride1Gradient(inputs[2], on: workers),
        Pooling.globalAverage(x, on: workers),
        Pooling.globalAverageGradient(inputs[3], inputSize: x.shape.size, on: workers),
      ]
    }
  }

  @Test("Maxima, averages and gradients are PyTorch's")
  func pyTorch() {
    let workers = WorkerPool(threads: 1)
    // F.max_pool2d(x, 3, 2, 1) of few different values.
    let shape = Shape(1, 5, 4, 2)
    let x = Tensor(shape, dense: (0..<40).map { Float($0 * 7919 % 5 - 2) / 2 })
    let (y, argmax) = Pooling.max3x3(x, on: workers)
    #expect(y.dense == [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 0.5, 1, 1])
    let dx = Pooling.maxGradient(steps(y.shape, by: 31), argmax: argmax, inputShape: shape, on: workers)
    #expect(
      dx.dense == [
        0, -0.59375, -1.5625, 0, 0, 0, 0.375, 0, 0, 0, 0, 0.375, 0, 0, 0, 0, -0.84375, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        -0.375, 0.84375, 0, 0, 0, -0.375, 0, 0, 0, 0, 0, 0, 0, 0,
      ])

    // F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False).
    let wide = Shape(1, 3, 5, 2)
    #expect(
      Pooling.average2x2Stride2(steps(wide), on: workers).dense == [
        -0.1875, -0.484375, 0.203125, -0.09375, -0.6875, 0.59375, 0.09375, -0.203125, 0.484375, 0.1875, -0.40625, 0.875,
      ])
    #expect(
      Pooling.average2x2Stride2Gradient(steps(Shape(1, 2, 3, 2), by: 31), inputShape: wide, on: workers).dense == [
        -0.390625, -0.1484375, -0.390625, -0.1484375, 0.09375, 0.3359375, 0.09375, 0.3359375, -0.421875, 0.0625,
        -0.390625, -0.1484375, -0.390625, -0.1484375, 0.09375, 0.3359375, 0.09375, 0.3359375, -0.421875, 0.0625,
        0.546875, -0.546875, 0.546875, -0.546875, -0.0625, 0.421875, -0.0625, 0.421875, -1.34375, -0.375,
      ])

    // F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1).
    let square = Shape(1, 3, 3, 2)
    #expect(
      Pooling.average2x2Stride1(steps(square), on: workers).dense == [
        -0.3828125, 0.109375, -0.1875, -0.484375, -0.2421875, -0.390625, 0.203125, -0.09375, -0.390625, 0.1015625,
        -0.34375, 0.296875, 0.4453125, -0.4921875, 0.1484375, 0, 0, 0.3203125,
      ])
    #expect(
      Pooling.average2x2Stride1Gradient(steps(square, by: 31), on: workers).dense == [
        -0.390625, -0.1484375, -0.296875, 0.1875, -0.1171875, 0.3671875, -0.1171875, -0.421875, -0.0546875, 0.125,
        -0.484375, 0.484375, 0.421875, 0.1171875, 0.234375, 0.4140625, -0.1953125, -0.015625,
      ])
  }
}
