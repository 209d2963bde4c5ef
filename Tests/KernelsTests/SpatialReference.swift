import Kernels
import Tensors

/// The convolution by its definition in double precision, on dense values `[N, H, W, C]`.
struct SpatialReference {
  let shape: Shape
  let outputs: Int
  let dilation: Int

  /// Calls `body` with the offsets of x and y and the tap, for every pair of pixels that a tap connects.
  private func forEachPair(_ body: (_ x: Int, _ y: Int, _ tap: Int) -> Void) {
    let (height, width) = (shape.height, shape.width)
    for image in 0..<shape.images {
      for row in 0..<height {
        for column in 0..<width {
          for tap in 0..<9 {
            let fromRow = row + (tap / 3 - 1) * dilation
            let fromColumn = column + (tap % 3 - 1) * dilation
            guard (0..<height).contains(fromRow), (0..<width).contains(fromColumn) else { continue }
            let from = (image * height + fromRow) * width + fromColumn
            let to = (image * height + row) * width + column
            body(from * shape.channels, to * outputs, tap * shape.channels * outputs)
          }
        }
      }
    }
  }

  func forward(_ x: [Double], _ w: [Double]) -> [Double] {
    var y = [Double](repeating: 0, count: shape.pixels * outputs)
    forEachPair { from, to, tap in
      for c in 0..<shape.channels {
        for k in 0..<outputs { y[to + k] += x[from + c] * w[tap + c * outputs + k] }
      }
    }
    return y
  }

  func inputGradient(_ dy: [Double], _ w: [Double]) -> [Double] {
    var dx = [Double](repeating: 0, count: shape.pixels * shape.channels)
    forEachPair { from, to, tap in
      for c in 0..<shape.channels {
        for k in 0..<outputs { dx[from + c] += dy[to + k] * w[tap + c * outputs + k] }
      }
    }
    return dx
  }

  func weightGradient(_ x: [Double], _ dy: [Double]) -> [Double] {
    var dw = [Double](repeating: 0, count: 9 * shape.channels * outputs)
    forEachPair { from, to, tap in
      for c in 0..<shape.channels {
        for k in 0..<outputs { dw[tap + c * outputs + k] += x[from + c] * dy[to + k] }
      }
    }
    return dw
  }
}

// MARK: - Single values of the first image, for images too large to compute whole

extension SpatialReference {
  func forward(_ row: Int, _ column: Int, _ k: Int, _ operands: SpatialCase) -> Double {
    var sum = 0.0
    for tap in 0..<9 {
      guard let (i, j) = neighbor(row, column, tap) else { continue }
      for c in 0..<shape.channels { sum += Double(operands.x[0, i, j, c]) * weight(operands, tap, c, k) }
    }
    return sum
  }

  func inputGradient(_ row: Int, _ column: Int, _ c: Int, _ operands: SpatialCase) -> Double {
    var sum = 0.0
    for tap in 0..<9 {
      // The pixel whose tap `tap` reads this one.
      guard let (i, j) = neighbor(row, column, 8 - tap) else { continue }
      for k in 0..<outputs { sum += Double(operands.dy[0, i, j, k]) * weight(operands, tap, c, k) }
    }
    return sum
  }

  func weightGradient(_ tap: Int, _ c: Int, _ k: Int, _ operands: SpatialCase) -> Double {
    var sum = 0.0
    for row in 0..<shape.height {
      for column in 0..<shape.width {
        guard let (i, j) = neighbor(row, column, tap) else { continue }
        sum += Double(operands.x[0, i, j, c]) * Double(operands.dy[0, row, column, k])
      }
    }
    return sum
  }

  private func weight(_ operands: SpatialCase, _ tap: Int, _ c: Int, _ k: Int) -> Double {
    Double(operands.weight.floats[(tap * shape.channels + c) * outputs + k])
  }

  private func neighbor(_ row: Int, _ column: Int, _ tap: Int) -> (row: Int, column: Int)? {
    let i = row + (tap / 3 - 1) * dilation
    let j = column + (tap % 3 - 1) * dilation
    return (0..<shape.height).contains(i) && (0..<shape.width).contains(j) ? (i, j) : nil
  }
}

/// Random operands of one convolution.
struct SpatialCase {
  let x: Tensor
  let dy: Tensor
  let weight: Filter
  let dilation: Int

  init(_ shape: Shape, outputs: Int, dilation: Int) {
    var numbers = RandomNumbers(UInt64(shape.count), UInt64(outputs), UInt64(dilation))
    func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float(numbers.uniform(in: -1..<1)) } }
    x = Tensor(shape, dense: values(shape.pixels * shape.channels))
    dy = Tensor(shape.with(channels: outputs), dense: values(shape.pixels * outputs))
    weight = Filter(
      kernel: 3, inputs: shape.channels, outputs: outputs, FloatSlice(values(9 * shape.channels * outputs)))
    self.dilation = dilation
  }

  /// The same convolution of one image.
  init(_ whole: SpatialCase, image: Int) {
    func alone(_ tensor: Tensor) -> Tensor {
      var shape = tensor.shape
      shape.images = 1
      let result = Tensor(shape)
      result.start.update(from: tensor.image(image), count: shape.count)
      return result
    }
    x = alone(whole.x)
    dy = alone(whole.dy)
    weight = whole.weight
    dilation = whole.dilation
  }

  var reference: SpatialReference {
    SpatialReference(shape: x.shape, outputs: weight.outputs, dilation: dilation)
  }

  func forward(_ workers: WorkerPool) -> Tensor {
    SpatialConvolution.forward(x, weight, dilation: dilation, on: workers)
  }

  func inputGradient(_ workers: WorkerPool) -> Tensor {
    SpatialConvolution.inputGradient(dy, weight, dilation: dilation, on: workers)
  }

  func weightGradient(_ workers: WorkerPool) -> [Float] {
    let dw = Filter(like: weight)
    dw.start.update(repeating: .nan, count: dw.floats.count)
    SpatialConvolution.weightGradient(x, dy, dilation: dilation, into: dw, on: workers)
    return dw.floats.values
  }
}

extension SpatialReference {
  /// The largest difference, relative to the largest expected value.
  static func relativeError(_ values: [Float], _ expected: [Double]) -> Double {
    guard values.count == expected.count else { return .infinity }
    var worst = 0.0
    var largest = Double.leastNormalMagnitude
    for (value, reference) in zip(values, expected) {
      let difference = abs(Double(value) - reference)
      guard difference.isFinite else { return .infinity }
      worst = max(worst, difference)
      largest = max(largest, abs(reference))
    }
    return worst / largest
  }
}
