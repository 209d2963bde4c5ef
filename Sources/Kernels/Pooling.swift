import Microkernels
import Tensors

/// Max and average pooling. Every tensor has at least 2 channels.
package enum Pooling {
  // MARK: - Max pooling 3×3, stride 2, padding 1

  /// Max pooling indices: for each output value, which of the 9 pixels of its window it came from, row by row.
  package struct MaxPoolIndices: Sendable {
    private let buffer: Buffer

    fileprivate init(_ shape: Shape) { buffer = Buffer(count: shape.count.dividedRoundingUp(by: 4)) }

    /// One byte per float of the output, in the same order.
    fileprivate var start: UnsafeMutablePointer<UInt8> {
      UnsafeMutableRawPointer(buffer.start).assumingMemoryBound(to: UInt8.self)
    }
  }

  /// The maximum of each window. Of several equal maxima the first counts; NaN if the window contains one.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, C]`, and the indices of the maxima.
  package static func max3x3(_ x: Tensor, on workers: WorkerPool) -> (Tensor, MaxPoolIndices) {
    switch x.precision {
    case .float32: max3x3(x, Float.self, workers)
    case .bfloat16: max3x3(x, BFloat16.self, workers)
    }
  }

  private static func max3x3<E: Element>(_ x: Tensor, _: E.Type, _ workers: WorkerPool) -> (Tensor, MaxPoolIndices) {
    let shape = x.shape
    let size = half(shape.size)
    let y = Tensor(shape.with(size: size), x.precision)
    let output: Elements<E> = y.elements.elements()
    let argmax = MaxPoolIndices(y.shape)
    let stride = shape.stride
    let indices = argmax.start
    forEachRow(of: y.shape, on: workers) { image, row in
      let input: Elements<E> = x.elements(image: image).elements()
      let rows = max(0, 2 * row - 1)..<min(shape.height, 2 * row + 2)
      for column in 0..<size.width {
        let columns = max(0, 2 * column - 1)..<min(shape.width, 2 * column + 2)
        let pixel = ((image * size.height + row) * size.width + column) * stride
        var channel = 0
        while channel < stride {
          var best = Vector(repeating: -.infinity)
          var bestIndex = VectorMath.Integers(
            repeating: windowIndex(rows.lowerBound, columns.lowerBound, in: (row, column)))
          for windowRow in rows {
            for windowColumn in columns {
              let value = input.vector((windowRow * shape.width + windowColumn) * stride + channel)
              let isBetter = (value .> best) .| (value .!= value)
              best.replace(with: value, where: isBetter)
              bestIndex.replace(
                with: VectorMath.Integers(repeating: windowIndex(windowRow, windowColumn, in: (row, column))),
                where: isBetter)
            }
          }
          output.store(best, pixel + channel)
          UnsafeMutableRawPointer(indices + pixel + channel).storeBytes(
            of: SIMD8<UInt8>(truncatingIfNeeded: bestIndex), as: SIMD8<UInt8>.self)
          channel += 8
        }
      }
    }
    return (y, argmax)
  }

  /// Each input pixel gathers the gradients of the windows, at most 4, of which it is the maximum.
  package static func maxGradient(
    _ dy: Tensor, argmax: MaxPoolIndices, inputShape: Shape, on workers: WorkerPool
  ) -> Tensor {
    switch dy.precision {
    case .float32: maxGradient(dy, argmax, inputShape, Float.self, workers)
    case .bfloat16: maxGradient(dy, argmax, inputShape, BFloat16.self, workers)
    }
  }

  private static func maxGradient<E: Element>(
    _ dy: Tensor, _ argmax: MaxPoolIndices, _ inputShape: Shape, _: E.Type, _ workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == inputShape.with(size: half(inputShape.size)))
    let dx = Tensor(inputShape, dy.precision)
    let (gradients, result): (Elements<E>, Elements<E>) = (dy.elements.elements(), dx.elements.elements())
    let size = dy.shape.size
    let stride = inputShape.stride
    let indices = argmax.start
    forEachRow(of: inputShape, on: workers) { image, row in
      let rows = row / 2...min((row + 1) / 2, size.height - 1)
      for column in 0..<inputShape.width {
        let columns = column / 2...min((column + 1) / 2, size.width - 1)
        let target = result + ((image * inputShape.height + row) * inputShape.width + column) * stride
        var channel = 0
        while channel < stride {
          var sum = Vector.zero
          for windowRow in rows {
            for windowColumn in columns {
              let index = ((image * size.height + windowRow) * size.width + windowColumn) * stride + channel
              let bestIndex = VectorMath.Integers(
                truncatingIfNeeded: UnsafeRawPointer(indices + index).loadUnaligned(as: SIMD8<UInt8>.self))
              let isOther =
                bestIndex .!= VectorMath.Integers(repeating: windowIndex(row, column, in: (windowRow, windowColumn)))
              sum += gradients.vector(index).replacing(with: 0, where: isOther)
            }
          }
          target.store(sum, channel)
          channel += 8
        }
      }
    }
    return dx
  }

  /// The index of an input pixel in the window of an output pixel, 0 to 8.
  @inline(__always)
  private static func windowIndex(_ row: Int, _ column: Int, in window: (row: Int, column: Int)) -> Int32 {
    Int32(truncatingIfNeeded: (row - 2 * window.row + 1) * 3 + column - 2 * window.column + 1)
  }

  // MARK: - Average pooling 2×2, stride 2

  /// The mean of the pixels of each window that lie in the image (`ceil_mode=True, count_include_pad=False`).
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, C]`.
  package static func average2x2Stride2(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let size = half(shape.size)
    let y = Tensor(shape.with(size: size), x.precision)
    let stride = shape.stride
    forEachRow(of: y.shape, on: workers) { image, row in
      let upper = x.elements(image: image) + 2 * row * shape.width * stride
      let below = 2 * row + 1 < shape.height ? shape.width * stride : nil
      let output = y.elements(image: image) + row * size.width * stride
      for column in 0..<size.width {
        let right = 2 * column + 1 < shape.width ? stride : nil
        let factor: Float = (below == nil ? 1 : 0.5) * (right == nil ? 1 : 0.5)
        sum(
          upper + 2 * column * stride, and: right, and: below, times: factor, count: stride,
          into: output + column * stride)
      }
    }
    return y
  }

  /// Each input pixel gets the gradient of its window over 4, 2 or 1, the number of its pixels.
  package static func average2x2Stride2Gradient(_ dy: Tensor, inputShape: Shape, on workers: WorkerPool) -> Tensor {
    precondition(dy.shape == inputShape.with(size: half(inputShape.size)))
    let dx = Tensor(inputShape, dy.precision)
    let stride = inputShape.stride
    let size = inputShape.size
    forEachRow(of: inputShape, on: workers) { image, row in
      let rowFactor: Float = row | 1 < size.height ? 0.5 : 1
      let input = dy.elements(image: image) + row / 2 * dy.shape.width * stride
      let output = dx.elements(image: image) + row * size.width * stride
      for column in 0..<size.width {
        let factor: Float = rowFactor * (column | 1 < size.width ? 0.5 : 1)
        sum(
          input + column / 2 * stride, and: nil, and: nil, times: factor, count: stride,
          into: output + column * stride)
      }
    }
    return dx
  }

  // MARK: - Average pooling 2×2, stride 1

  /// The mean of each pixel and its neighbors to the right, below and diagonally; zeros beyond the last row and column
  /// count.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, H, W, C]`.
  package static func average2x2Stride1(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    averageWithNeighbors(x, direction: 1, on: workers)
  }

  /// The same with the neighbors to the left and above: their windows contain the pixel.
  package static func average2x2Stride1Gradient(_ dy: Tensor, on workers: WorkerPool) -> Tensor {
    averageWithNeighbors(dy, direction: -1, on: workers)
  }

  private static func averageWithNeighbors(_ x: Tensor, direction: Int, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let y = Tensor(shape, x.precision)
    let stride = shape.stride
    let rowFloats = shape.width * stride
    forEachRow(of: shape, on: workers) { image, row in
      let input = x.elements(image: image) + row * rowFloats
      let output = y.elements(image: image) + row * rowFloats
      let nextRow = (0..<shape.height).contains(row + direction) ? direction * rowFloats : nil
      // All pixels but the last have a horizontal neighbor; they are contiguous.
      let end = direction > 0 ? shape.width - 1 : 0
      let first = direction > 0 ? 0 : 1
      sum(
        input + first * stride, and: direction * stride, and: nextRow, times: 0.25, count: rowFloats - stride,
        into: output + first * stride)
      sum(
        input + end * stride, and: nil, and: nextRow, times: 0.25, count: stride, into: output + end * stride)
    }
    return y
  }

  // MARK: - Global average pooling

  /// The mean over all pixels: rows are summed in single precision, then added in double precision.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, 1, 1, C]`.
  package static func globalAverage(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let stride = shape.stride
    let rowSums = Buffer(count: shape.images * shape.height * stride)
    let microkernels = workers.microkernels
    forEachRow(of: shape, on: workers) { image, row in
      let input = x.elements(image: image) + row * shape.width * stride
      let sums = rowSums.start + (image * shape.height + row) * stride
      microkernels.convert(input, to: ElementPointer(sums), count: stride)
      microkernels.addRows(input + stride, rows: shape.width - 1, width: stride, to: sums)
    }
    let mean = Tensor(shape.with(size: Size(1, 1)), x.precision)
    let divisor = Double(shape.pixelsPerImage)
    workers.parallelFor(shape.images) { image, _ in
      let sums = rowSums.start + image * shape.height * stride
      for channel in 0..<stride {
        var sum = 0.0
        for row in 0..<shape.height { sum += Double(sums[row * stride + channel]) }
        mean.elements(image: image).write(Float(sum / divisor), channel)
      }
    }
    return mean
  }

  /// Every pixel gets dL/dy over H · W.
  ///
  /// - Parameter dy: `[N, 1, 1, C]`.
  /// - Returns: `[N, H, W, C]`.
  package static func globalAverageGradient(_ dy: Tensor, inputSize: Size, on workers: WorkerPool) -> Tensor {
    precondition(dy.shape.size == Size(1, 1))
    let dx = Tensor(dy.shape.with(size: inputSize), dy.precision)
    let stride = dx.shape.stride
    let factor = Float(1 / Double(dx.shape.pixelsPerImage))
    forEachRow(of: dx.shape, on: workers) { image, row in
      let output = dx.elements(image: image) + row * inputSize.width * stride
      for column in 0..<inputSize.width {
        sum(dy.elements(image: image), and: nil, and: nil, times: factor, count: stride, into: output + column * stride)
      }
    }
    return dx
  }

  // MARK: - Shared parts

  private static func half(_ size: Size) -> Size {
    Size(size.height.dividedRoundingUp(by: 2), size.width.dividedRoundingUp(by: 2))
  }

  /// Runs `body` once per row of each image, each call a task.
  @inline(__always)
  private static func forEachRow(of shape: Shape, on workers: WorkerPool, _ body: (_ image: Int, _ row: Int) -> Void) {
    precondition(shape.channels > 1)
    workers.parallelFor(shape.images * shape.height) { task, _ in
      let (image, row) = task.quotientAndRemainder(dividingBy: shape.height)
      body(image, row)
    }
  }

  /// For each of `count` numbers from `source` on: the sum of the number itself and of those at distance `right`, `below`
  /// and `right + below` (if not nil), times `factor`.
  @inline(__always)
  private static func sum(
    _ source: ElementPointer, and right: Int?, and below: Int?, times factor: Float, count: Int,
    into result: ElementPointer
  ) {
    switch source.precision {
    case .float32: sum(source.elements(Float.self), right, below, factor, count, result.elements())
    case .bfloat16: sum(source.elements(BFloat16.self), right, below, factor, count, result.elements())
    }
  }

  @inline(__always)
  private static func sum<E: Element>(
    _ source: Elements<E>, _ right: Int?, _ below: Int?, _ factor: Float, _ count: Int, _ result: Elements<E>
  ) {
    switch (right, below) {
    case (let right?, let below?):
      forEachVector(of: count) { index in
        let here = source.vector(index) + source.vector(index + right)
        let there = source.vector(index + below) + source.vector(index + below + right)
        result.store((here + there) * factor, index)
      }
    case (let other?, nil), (nil, let other?):
      forEachVector(of: count) { index in
        result.store((source.vector(index) + source.vector(index + other)) * factor, index)
      }
    case (nil, nil):
      forEachVector(of: count) { index in result.store(source.vector(index) * factor, index) }
    }
  }

  @inline(__always)
  private static func forEachVector(of count: Int, _ body: (Int) -> Void) {
    for index in stride(from: 0, to: count, by: 8) { body(index) }
  }
}
