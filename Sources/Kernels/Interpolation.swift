import Tensors

/// Bilinear interpolation between sizes, as PyTorch's `F.interpolate(mode="bilinear")`.
///
/// Each output pixel mixes two neighboring rows and two neighboring columns: `y = A · x · Bᵀ` channel by channel, with
/// matrices of two weights a row. The backward pass is `dx = Aᵀ · dy · B`, where each input pixel gathers what it gave.
package enum Interpolation {
  /// Which points of input and output lie on each other.
  package enum Corners: Sendable {
    /// The centers of the corner pixels (`align_corners=True`).
    case aligned
    /// The outer corners of the corner pixels (`align_corners=False`).
    case halfPixel
  }

  /// - Parameters:
  ///   - x: `[N, H, W, C]`.
  ///   - rows: those of the output that are asked for; all, unless something else is said.
  /// - Returns: `[N, rows.count, size.width, C]`.
  package static func resize(
    _ x: Tensor, to size: Size, corners: Corners, rows wanted: Range<Int>? = nil, on workers: WorkerPool
  ) -> Tensor {
    let shape = x.shape
    let wanted = wanted ?? 0..<size.height
    precondition(wanted.lowerBound >= 0 && wanted.upperBound <= size.height)
    let y = Tensor(shape.with(size: Size(wanted.count, size.width)))
    let rows = InterpolationTaps(of: size.height, among: shape.height, corners)
    let columns = InterpolationTaps(of: size.width, among: shape.width, corners)
    let stride = shape.stride
    let rowFloats = shape.width * stride
    let workspace = Scratch(rowFloats, workers)
    workers.parallelFor(shape.images * wanted.count) { task, worker in
      let (image, index) = task.quotientAndRemainder(dividingBy: wanted.count)
      let row = wanted.lowerBound + index
      let input = x.image(image)
      let mixed = workspace.row(worker)
      mix(
        input + rows.lower[row] * rowFloats, input + rows.upper[row] * rowFloats, rows.fraction[row], rowFloats,
        into: mixed)
      let output = y.start + task * size.width * stride
      if stride == 1 {
        for column in 0..<size.width {
          let left = mixed[columns.lower[column]]
          output[column] = left.addingProduct(columns.fraction[column], mixed[columns.upper[column]] - left)
        }
      } else {
        for column in 0..<size.width {
          mix(
            mixed + columns.lower[column] * stride, mixed + columns.upper[column] * stride, columns.fraction[column],
            stride, into: output + column * stride)
        }
      }
    }
    return y
  }

  /// The gradient of `resize` with respect to its input.
  ///
  /// - Parameters:
  ///   - dy: `[N, H′, W′, C]`.
  ///   - inputSize: that of the input, H and W.
  /// - Returns: `[N, H, W, C]`.
  package static func gradient(
    _ dy: Tensor, inputSize: Size, corners: Corners, on workers: WorkerPool
  ) -> Tensor {
    let shape = dy.shape
    let dx = Tensor(shape.with(size: inputSize))
    let rows = TransposedTaps(of: inputSize.height, InterpolationTaps(of: shape.height, among: inputSize.height, corners))
    let columns = TransposedTaps(of: inputSize.width, InterpolationTaps(of: shape.width, among: inputSize.width, corners))
    let stride = shape.stride
    let rowFloats = shape.width * stride
    let workspace = Scratch(rowFloats, workers)
    workers.parallelFor(shape.images * inputSize.height) { task, worker in
      let (image, row) = task.quotientAndRemainder(dividingBy: inputSize.height)
      let gathered = workspace.row(worker)
      gather(dy.image(image), rows, row, step: rowFloats, count: rowFloats, into: gathered)
      let output = dx.start + task * inputSize.width * stride
      if stride == 1 {
        for column in 0..<inputSize.width {
          let first = columns.first[column]
          var sum: Float = 0
          for index in columns.begin[column]..<columns.begin[column + 1] {
            sum = sum.addingProduct(columns.weight[index], gathered[first + index - columns.begin[column]])
          }
          output[column] = sum
        }
      } else {
        for column in 0..<inputSize.width {
          gather(gathered, columns, column, step: stride, count: stride, into: output + column * stride)
        }
      }
    }
    return dx
  }

  /// `low + fraction · (high − low)` for `count` floats, rounded up to whole vectors.
  private static func lerp(
    _ low: UnsafeMutablePointer<Float>, _ high: UnsafeMutablePointer<Float>, _ fraction: Float, _ count: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    microkernels.lerp(low, high, fraction: fraction, into: result, count: count)
  }

  /// The weighted sum of what position `index` gave to, `step` floats from one to the next; `count` floats, rounded up
  /// to whole vectors.
  private static func weightedSum(
    _ source: UnsafeMutablePointer<Float>, _ receivers: TransposedTaps, _ index: Int, step: Int, count: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    let begin = receivers.begin[index]
    microkernels.weightedSum(
      source + receivers.first[index] * step, step: step, weights: receivers.weight + begin,
      terms: receivers.begin[index + 1] - begin, into: result, count: count)
  }
}

/// Along one axis: the two input positions that each output position mixes, and how far it lies towards the upper.
private final class InterpolationTaps {
  let count: Int
  let lower: UnsafeMutablePointer<Int>
  let upper: UnsafeMutablePointer<Int>
  let fraction: UnsafeMutablePointer<Float>

  init(of outputs: Int, among inputs: Int, _ corners: Interpolation.Corners) {
    precondition(outputs > 0 && inputs > 0)
    count = outputs
    lower = .allocate(capacity: outputs)
    upper = .allocate(capacity: outputs)
    fraction = .allocate(capacity: outputs)
    for output in 0..<outputs {
      let position =
        switch corners {
        case .aligned: outputs > 1 ? Double(output * (inputs - 1)) / Double(outputs - 1) : 0
        case .halfPixel: max(0, (Double(output) + 0.5) * (Double(inputs) / Double(outputs)) - 0.5)
        }
      lower[output] = min(Int(position), inputs - 1)
      upper[output] = min(lower[output] + 1, inputs - 1)
      fraction[output] = Float(position - Double(lower[output]))
    }
  }

  deinit {
    lower.deallocate()
    upper.deallocate()
    fraction.deallocate()
  }
}

/// The transpose of `InterpolationTaps`: the output positions that each input position gave to, which are neighbors of each
/// other, and the weights it gave with.
private final class TransposedTaps {
  /// The first output position, by input position.
  let first: UnsafeMutablePointer<Int>
  /// Where in `weight` the weights of an input position begin; one entry more marks the end.
  let begin: UnsafeMutablePointer<Int>
  let weight: UnsafeMutablePointer<Float>

  init(of inputs: Int, _ neighbors: InterpolationTaps) {
    first = .allocate(capacity: inputs)
    begin = .allocate(capacity: inputs + 1)
    weight = .allocate(capacity: 2 * neighbors.count)
    var used = 0
    var next = 0
    for input in 0..<inputs {
      // Lower neighbors never fall from one output to the next: skip those that lie wholly before this input.
      while next < neighbors.count && neighbors.upper[next] < input { next += 1 }
      first[input] = next
      begin[input] = used
      var output = next
      while output < neighbors.count && neighbors.lower[output] <= input {
        let fraction = neighbors.fraction[output]
        var share: Float = 0
        if neighbors.lower[output] == input { share += 1 - fraction }
        if neighbors.upper[output] == input { share += fraction }
        weight[used] = share
        used += 1
        output += 1
      }
    }
    begin[inputs] = used
  }

  deinit {
    first.deallocate()
    begin.deallocate()
    weight.deallocate()
  }
}

/// A row of floats a worker.
private struct Scratch {
  private let buffer: Buffer
  private let step: Int

  init(_ count: Int, _ workers: WorkerPool) {
    step = (count + 31) & ~15
    buffer = Buffer(count: step * workers.threads)
  }

  func row(_ worker: Int) -> UnsafeMutablePointer<Float> { buffer.start + worker * step }
}
