import Microkernels
import Tensors

/// Bilinear interpolation between sizes, as PyTorch's `F.interpolate(mode="bilinear")`.
///
/// Each output pixel blends two adjacent rows and two adjacent columns: `y = A · x · Bᵀ` for each channel, with
/// matrices of two weights per row. The backward pass is `dx = Aᵀ · dy · B`: each input pixel gathers from the outputs
/// that read it.
package enum Interpolation {
  /// Which points of input and output coincide.
  package enum Corners: Sendable {
    /// The centers of the corner pixels (`align_corners=True`).
    case aligned
    /// The outer corners of the corner pixels (`align_corners=False`).
    case halfPixel
  }

  /// - Parameters:
  ///   - x: `[N, H, W, C]`.
  ///   - rows: the rows of the output to compute; nil for all.
  ///   - precision: of the output; that of x, unless given.
  /// - Returns: `[N, rows.count, size.width, C]`.
  package static func resize(
    _ x: Tensor, to size: Size, corners: Corners, rows wanted: Range<Int>? = nil,
    precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    let shape = x.shape
    let wanted = wanted ?? 0..<size.height
    precondition(wanted.lowerBound >= 0 && wanted.upperBound <= size.height)
    let y = Tensor(shape.with(size: Size(wanted.count, size.width)), precision ?? x.precision)
    let rows = InterpolationTaps(outputs: size.height, inputs: shape.height, corners)
    let columns = InterpolationTaps(outputs: size.width, inputs: shape.width, corners)
    let stride = shape.stride
    let rowFloats = shape.width * stride
    let microkernels = workers.microkernels
    let workspace = RowWorkspace(rowFloats, workers)
    workers.parallelFor(shape.images * wanted.count) { task, worker in
      let (image, index) = task.quotientAndRemainder(dividingBy: wanted.count)
      let row = wanted.lowerBound + index
      let input = x.elements(image: image)
      let blended = workspace.row(worker)
      microkernels.lerp(
        input + rows.lower[row] * rowFloats, input + rows.upper[row] * rowFloats, fraction: rows.fraction[row],
        into: ElementPointer(blended), count: rowFloats)
      if stride == 1 {
        let output = y.start + task * size.width
        for column in 0..<size.width {
          let left = blended[columns.lower[column]]
          output[column] = left.addingProduct(columns.fraction[column], blended[columns.upper[column]] - left)
        }
      } else {
        let output = y.elements + task * size.width * stride
        for column in 0..<size.width {
          microkernels.lerp(
            ElementPointer(blended + columns.lower[column] * stride),
            ElementPointer(blended + columns.upper[column] * stride),
            fraction: columns.fraction[column], into: output + column * stride, count: stride)
        }
      }
    }
    return y
  }

  /// The gradient of `resize` with respect to its input.
  ///
  /// - Parameters:
  ///   - dy: `[N, H′, W′, C]`.
  ///   - inputSize: H and W of the input.
  ///   - precision: of the result; that of dy, unless given.
  /// - Returns: `[N, H, W, C]`.
  package static func gradient(
    _ dy: Tensor, inputSize: Size, corners: Corners, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    let shape = dy.shape
    let dx = Tensor(shape.with(size: inputSize), precision ?? dy.precision)
    let rows = TransposedTaps(
      inputs: inputSize.height, InterpolationTaps(outputs: shape.height, inputs: inputSize.height, corners))
    let columns = TransposedTaps(
      inputs: inputSize.width, InterpolationTaps(outputs: shape.width, inputs: inputSize.width, corners))
    let stride = shape.stride
    let rowFloats = shape.width * stride
    let microkernels = workers.microkernels
    let workspace = RowWorkspace(rowFloats, workers)
    workers.parallelFor(shape.images * inputSize.height) { task, worker in
      let (image, row) = task.quotientAndRemainder(dividingBy: inputSize.height)
      let gathered = workspace.row(worker)
      gather(
        microkernels, dy.elements(image: image), rows, row, step: rowFloats, count: rowFloats,
        into: ElementPointer(gathered))
      if stride == 1 {
        let output = dx.start + task * inputSize.width
        for column in 0..<inputSize.width {
          let first = columns.first[column]
          var sum: Float = 0
          for index in columns.begin[column]..<columns.begin[column + 1] {
            sum = sum.addingProduct(columns.weight[index], gathered[first + index - columns.begin[column]])
          }
          output[column] = sum
        }
      } else {
        let output = dx.elements + task * inputSize.width * stride
        for column in 0..<inputSize.width {
          gather(
            microkernels, ElementPointer(gathered), columns, column, step: stride, count: stride,
            into: output + column * stride)
        }
      }
    }
    return dx
  }

  /// The weighted sum of the outputs that read input position `index`; they are `step` numbers apart and each has
  /// `count` numbers, rounded up to whole vectors.
  private static func gather(
    _ microkernels: any MicrokernelSet.Type, _ source: ElementPointer, _ taps: TransposedTaps,
    _ index: Int, step: Int, count: Int, into result: ElementPointer
  ) {
    let begin = taps.begin[index]
    microkernels.weightedSum(
      source + taps.first[index] * step, step: step, weights: taps.weight + begin, terms: taps.begin[index + 1] - begin,
      into: result, count: count)
  }
}

/// Along one axis: the two input positions that each output position reads, and the weight of the upper one.
final class InterpolationTaps: @unchecked Sendable {
  // Unchecked for the pointers: nothing is written after `init`.
  let count: Int
  let lower: UnsafeMutablePointer<Int>
  let upper: UnsafeMutablePointer<Int>
  let fraction: UnsafeMutablePointer<Float>

  init(outputs: Int, inputs: Int, _ corners: Interpolation.Corners) {
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

/// The transpose of `InterpolationTaps`: the output positions that read each input position, which are consecutive, and
/// the weights they read it with.
private final class TransposedTaps {
  /// The first output position, by input position.
  let first: UnsafeMutablePointer<Int>
  /// The index in `weight` of the first weight of each input position; one more entry marks the end.
  let begin: UnsafeMutablePointer<Int>
  let weight: UnsafeMutablePointer<Float>

  init(inputs: Int, _ taps: InterpolationTaps) {
    first = .allocate(capacity: inputs)
    begin = .allocate(capacity: inputs + 1)
    weight = .allocate(capacity: 2 * taps.count)
    var used = 0
    var next = 0
    for input in 0..<inputs {
      // `lower` and `upper` never decrease: skip outputs that lie wholly before this input.
      while next < taps.count && taps.upper[next] < input { next += 1 }
      first[input] = next
      begin[input] = used
      var output = next
      while output < taps.count && taps.lower[output] <= input {
        let fraction = taps.fraction[output]
        var sum: Float = 0
        if taps.lower[output] == input { sum += 1 - fraction }
        if taps.upper[output] == input { sum += fraction }
        weight[used] = sum
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

/// A row of floats per worker.
struct RowWorkspace {
  private let buffer: Buffer
  private let step: Int

  init(_ count: Int, _ workers: WorkerPool) {
    step = (count + 16).roundedUp(toMultipleOf: 16)
    buffer = Buffer(count: step * workers.threads)
  }

  func row(_ worker: Int) -> UnsafeMutablePointer<Float> { buffer.start + worker * step }
}
