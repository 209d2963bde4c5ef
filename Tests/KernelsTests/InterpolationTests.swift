import Kernels
import Tensors
import Testing

@Suite("Interpolation", .everyInstructionSet)
struct InterpolationTests {
  /// Input size, output size, channels.
  static let cases: [(Size, Size, Int)] = [
    (Size(1, 1), Size(1, 1), 3), (Size(1, 1), Size(5, 4), 8), (Size(5, 4), Size(1, 1), 8), (Size(3, 1), Size(7, 3), 1),
    (Size(4, 6), Size(4, 6), 19), (Size(5, 7), Size(9, 13), 64), (Size(9, 13), Size(5, 7), 16),
    (Size(10, 13), Size(75, 101), 1), (Size(75, 101), Size(10, 13), 1), (Size(19, 26), Size(75, 101), 19),
    (Size(8, 8), Size(16, 16), 20), (Size(7, 3), Size(3, 7), 2), (Size(2, 31), Size(31, 2), 1),
  ]

  /// The weights of one axis, outputs × inputs, as PyTorch documents them.
  private func weights(_ inputs: Int, _ outputs: Int, _ corners: Interpolation.Corners) -> [[Double]] {
    (0..<outputs).map { output in
      var position: Double
      if corners == .aligned {
        position = outputs == 1 ? 0 : Double(output) * Double(inputs - 1) / Double(outputs - 1)
      } else {
        position = max(0, (Double(output) + 0.5) * Double(inputs) / Double(outputs) - 0.5)
      }
      position = min(position, Double(inputs - 1))
      return (0..<inputs).map { max(0, 1 - abs(Double($0) - position)) }
    }
  }

  /// The product of rows and columns of every image and channel with these weights.
  private func product(_ x: Tensor, _ rows: [[Double]], _ columns: [[Double]]) -> [Double] {
    let shape = x.shape
    let dense = x.dense.map(Double.init)
    var y: [Double] = []
    for image in 0..<shape.images {
      for row in rows {
        for column in columns {
          for channel in 0..<shape.channels {
            var sum = 0.0
            for (i, rowWeight) in row.enumerated() where rowWeight != 0 {
              for (j, columnWeight) in column.enumerated() where columnWeight != 0 {
                let index = ((image * shape.height + i) * shape.width + j) * shape.channels + channel
                sum += rowWeight * columnWeight * dense[index]
              }
            }
            y.append(sum)
          }
        }
      }
    }
    return y
  }

  private func transposed(_ matrix: [[Double]]) -> [[Double]] {
    matrix[0].indices.map { column in matrix.map { $0[column] } }
  }

  @Test("Values and gradients are the weighted sums that define them", arguments: cases)
  func definition(from: Size, to: Size, channels: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    for corners in [Interpolation.Corners.aligned, .halfPixel] {
      let x = randomTensor("x", Shape(2, from.height, from.width, channels))
      let dy = randomTensor("dy", x.shape.with(size: to))
      let rows = weights(from.height, to.height, corners)
      let columns = weights(from.width, to.width, corners)
      let y = Interpolation.resize(x, to: to, corners: corners, on: workers)
      expectClose(y, product(x, rows, columns), within: 5e-7)
      let dx = Interpolation.gradient(dy, inputSize: from, corners: corners, on: workers)
      expectClose(dx, product(dy, transposed(rows), transposed(columns)), within: 1e-6)
      expectAdjoint(x: x, y: y, dy: dy, dx: dx)
    }
  }

  @Test("The same size changes no bit; a single pixel is copied")
  func exact() {
    let workers = WorkerPool.underTest(threads: 2)
    for corners in [Interpolation.Corners.aligned, .halfPixel] {
      let x = randomTensor("x", Shape(2, 6, 5, 9))
      #expect(bits(Interpolation.resize(x, to: x.shape.size, corners: corners, on: workers)) == bits(x))
      let pixel = randomTensor("pixel", Shape(1, 1, 1, 9))
      let spread = Interpolation.resize(pixel, to: Size(4, 3), corners: corners, on: workers)
      #expect(spread.dense == (0..<12).flatMap { _ in pixel.dense })
    }
  }

  @Test("Aligned corners keep their values")
  func alignedCorners() {
    let x = randomTensor("x", Shape(1, 5, 7, 2))
    let y = Interpolation.resize(x, to: Size(23, 31), corners: .aligned, on: WorkerPool.underTest(threads: 1))
    for channel in 0..<2 {
      #expect(y[0, 0, 0, channel] == x[0, 0, 0, channel] && y[0, 0, 30, channel] == x[0, 0, 6, channel])
      #expect(y[0, 22, 0, channel] == x[0, 4, 0, channel] && y[0, 22, 30, channel] == x[0, 4, 6, channel])
    }
  }

  @Test("Results do not depend on the threads or on the other images", arguments: cases)
  func reproducible(from: Size, to: Size, channels: Int) {
    let x = randomTensor("x", Shape(3, from.height, from.width, channels))
    expectReproducible([x, randomTensor("dy", x.shape.with(size: to))]) { inputs, workers in
      [
        Interpolation.resize(inputs[0], to: to, corners: .halfPixel, on: workers),
        Interpolation.gradient(inputs[1], inputSize: from, corners: .aligned, on: workers),
      ]
    }
  }

  @Test("Enlarging and reducing give PyTorch's values, with and without aligned corners", arguments: PyTorchCase.all)
  func pyTorch(_ numbers: PyTorchCase) {
    let workers = WorkerPool.underTest(threads: 1)
    let x = steps(Shape(1, numbers.from.height, numbers.from.width, 2))
    let dy = steps(x.shape.with(size: numbers.to), by: 31)
    expectClose(
      Interpolation.resize(x, to: numbers.to, corners: numbers.corners, on: workers), numbers.y, within: 2e-7)
    expectClose(
      Interpolation.gradient(dy, inputSize: numbers.from, corners: numbers.corners, on: workers), numbers.dx,
      within: 2e-7)
  }

  /// `F.interpolate(mode="bilinear")` in double precision, values `[H, W, C]`.
  struct PyTorchCase: CustomTestStringConvertible {
    let from: Size
    let to: Size
    let corners: Interpolation.Corners
    let y: [Double]
    let dx: [Double]

    var testDescription: String { "\(from) to \(to), \(corners)" }

    static let all = [
      PyTorchCase(
        from: Size(2, 3), to: Size(3, 5), corners: .aligned,
        y: [
          -1.5625, -0.28125, -0.28125, -0.578125, 1, -0.875, 0.703125, -1.171875, 0.40625, -1.46875, -0.875, 0.40625,
          -0.3828125, 0.109375, 0.109375, -0.1875, -0.1875, -0.484375, -0.484375, -0.78125, -0.1875, 1.09375, -0.484375,
          0.796875, -0.78125, 0.5, -1.078125, 0.203125, -1.375, -0.09375,
        ],
        dx: [
          -1.8984375, 0.28125, 0.0546875, 0.59375, 0.796875, 0.609375, -1.2421875, -0.640625, 0.9296875, -0.109375,
          1.453125, 1.265625,
        ]),
      PyTorchCase(
        from: Size(2, 3), to: Size(3, 5), corners: .halfPixel,
        y: [
          -1.5625, -0.28125, -0.5375, -0.51875, 1, -0.875, 0.64375, -1.23125, 0.40625, -1.46875, -0.875, 0.40625,
          -0.48125, 0.16875, 0.109375, -0.1875, -0.246875, -0.54375, -0.484375, -0.78125, -0.1875, 1.09375, -0.425,
          0.85625, -0.78125, 0.5, -1.1375, 0.14375, -1.375, -0.09375,
        ],
        dx: [
          -1.83125, 0.49375, -0.1875, 0.534375, 0.971875, 0.45625, -1.13125, -0.7, 0.6, 0.059375, 1.671875, 1.15625,
        ]),
      PyTorchCase(
        from: Size(4, 5), to: Size(2, 3), corners: .aligned,
        y: [-1.5625, -0.28125, 0.40625, -1.46875, -0.78125, 0.5, -1, 0.28125, 0.96875, -0.90625, -0.21875, 1.0625],
        dx: [
          -1.5625, -0.59375, 0, 0, 0.375, 1.34375, 0, 0, -0.84375, 0.125, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0, 0, 0, 0, 0, 1.09375, -1.09375, 0, 0, -0.125, 0.84375, 0, 0, -1.34375, -0.375,
        ]),
      PyTorchCase(
        from: Size(4, 5), to: Size(2, 3), corners: .halfPixel,
        y: [
          -0.614583333, -0.385416667, 0.5, -1.375, -0.489583333, 0.791666667, -0.239583333, -0.0104166667, 0.875, -1,
          -0.114583333, 0.640625,
        ],
        dx: [
          -0.520833333, -0.197916667, -0.260416667, -0.0989583333, 0.1875, 0.671875, -0.140625, 0.0208333333, -0.28125,
          0.0416666667, -0.520833333, -0.197916667, -0.260416667, -0.0989583333, 0.1875, 0.671875, -0.140625,
          0.0208333333, -0.28125, 0.0416666667, 0.364583333, -0.364583333, 0.182291667, -0.182291667, -0.0625, 0.421875,
          -0.223958333, -0.0625, -0.447916667, -0.125, 0.364583333, -0.364583333, 0.182291667, -0.182291667, -0.0625,
          0.421875, -0.223958333, -0.0625, -0.447916667, -0.125,
        ]),
    ]
  }
}
