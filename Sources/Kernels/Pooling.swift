import Tensors

/// Maxima and means over windows. Every tensor has at least 2 channels.
package enum Pooling {
  // MARK: - Maximum over 3×3, every second pixel, padding 1

  /// For each value of a maximum, which of the 9 pixels of its window it came from, row by row.
  package struct MaxPoolIndices: Sendable {
    private let buffer: Buffer

    fileprivate init(_ shape: Shape) { buffer = Buffer(count: (shape.count + 3) / 4) }

    /// A byte for each float of the maxima, in the same order.
    fileprivate var start: UnsafeMutablePointer<UInt8> {
      UnsafeMutableRawPointer(buffer.start).assumingMemoryBound(to: UInt8.self)
    }
  }

  /// The largest of 3×3 pixels around every second one; the first of several; NaN where there is one.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, C]`, and where in its window each maximum was.
  package static func max3x3(_ x: Tensor, on workers: WorkerPool) -> (Tensor, MaxPoolIndices) {
    let shape = x.shape
    let size = half(shape.size)
    let y = Tensor(shape.with(size: size))
    let argmax = MaxPoolIndices(y.shape)
    let stride = shape.stride
    let winnersStart = argmax.start
    overRows(of: y.shape, on: workers) { image, row in
      let input = x.image(image)
      let rows = max(0, 2 * row - 1)..<min(shape.height, 2 * row + 2)
      for column in 0..<size.width {
        let columns = max(0, 2 * column - 1)..<min(shape.width, 2 * column + 2)
        let pixel = ((image * size.height + row) * size.width + column) * stride
        var channel = 0
        while channel < stride {
          var best = Vector(repeating: -.infinity)
          var winner = VectorMath.Integers(
            repeating: place(rows.lowerBound, columns.lowerBound, in: (row, column)))
          for windowRow in rows {
            for windowColumn in columns {
              let value = input.vector((windowRow * shape.width + windowColumn) * stride + channel)
              let wins = (value .> best) .| (value .!= value)
              best.replace(with: value, where: wins)
              winner.replace(
                with: VectorMath.Integers(repeating: place(windowRow, windowColumn, in: (row, column))), where: wins)
            }
          }
          y.start.store(best, pixel + channel)
          UnsafeMutableRawPointer(winnersStart + pixel + channel).storeBytes(
            of: SIMD8<UInt8>(truncatingIfNeeded: winner), as: SIMD8<UInt8>.self)
          channel += 8
        }
      }
    }
    return (y, argmax)
  }

  /// Each input pixel gathers the gradients of the windows, at most 4, that it won.
  package static func maxGradient(
    _ dy: Tensor, argmax: MaxPoolIndices, inputShape: Shape, on workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == inputShape.with(size: half(inputShape.size)))
    let dx = Tensor(inputShape)
    let size = dy.shape.size
    let stride = inputShape.stride
    let winnersStart = argmax.start
    overRows(of: inputShape, on: workers) { image, row in
      let rows = row / 2...min((row + 1) / 2, size.height - 1)
      for column in 0..<inputShape.width {
        let columns = column / 2...min((column + 1) / 2, size.width - 1)
        let target = dx.start + ((image * inputShape.height + row) * inputShape.width + column) * stride
        var channel = 0
        while channel < stride {
          var sum = Vector.zero
          for windowRow in rows {
            for windowColumn in columns {
              let index = ((image * size.height + windowRow) * size.width + windowColumn) * stride + channel
              let winner = VectorMath.Integers(
                truncatingIfNeeded: UnsafeRawPointer(winnersStart + index).loadUnaligned(as: SIMD8<UInt8>.self))
              let lost = winner .!= VectorMath.Integers(repeating: place(row, column, in: (windowRow, windowColumn)))
              sum += dy.start.vector(index).replacing(with: 0, where: lost)
            }
          }
          target.store(sum, channel)
          channel += 8
        }
      }
    }
    return dx
  }

  /// Where in the window of an output pixel an input pixel lies, 0 to 8.
  @inline(__always)
  private static func place(_ row: Int, _ column: Int, in window: (row: Int, column: Int)) -> Int32 {
    Int32(truncatingIfNeeded: (row - 2 * window.row + 1) * 3 + column - 2 * window.column + 1)
  }

  // MARK: - Mean over 2×2, every second pixel

  /// The mean over 2×2 pixels, those outside of the image not counted.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, ⌈H/2⌉, ⌈W/2⌉, C]`.
  package static func average2x2Stride2(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let size = half(shape.size)
    let y = Tensor(shape.with(size: size))
    let stride = shape.stride
    overRows(of: y.shape, on: workers) { image, row in
      let upper = x.image(image) + 2 * row * shape.width * stride
      let below = 2 * row + 1 < shape.height ? shape.width * stride : nil
      let output = y.image(image) + row * size.width * stride
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

  /// Each input pixel takes its share of its window's gradient: over 4, 2 or 1.
  package static func average2x2Stride2Gradient(_ dy: Tensor, inputShape: Shape, on workers: WorkerPool) -> Tensor {
    precondition(dy.shape == inputShape.with(size: half(inputShape.size)))
    let dx = Tensor(inputShape)
    let stride = inputShape.stride
    let size = inputShape.size
    overRows(of: inputShape, on: workers) { image, row in
      let rowFactor: Float = row | 1 < size.height ? 0.5 : 1
      let input = dy.image(image) + row / 2 * dy.shape.width * stride
      let output = dx.image(image) + row * size.width * stride
      for column in 0..<size.width {
        let factor: Float = rowFactor * (column | 1 < size.width ? 0.5 : 1)
        sum(
          input + column / 2 * stride, and: nil, and: nil, times: factor, count: stride,
          into: output + column * stride)
      }
    }
    return dx
  }

  // MARK: - Mean over 2×2, every pixel

  /// The mean over a pixel and its neighbors to the right, below and between; beyond the last row and column are
  /// zeros that count.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, H, W, C]`.
  package static func average2x2Stride1(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    averageWithNeighbors(x, direction: 1, on: workers)
  }

  /// The same towards the left and above, for those are the windows that a pixel is in.
  package static func average2x2Stride1Gradient(_ dy: Tensor, on workers: WorkerPool) -> Tensor {
    averageWithNeighbors(dy, direction: -1, on: workers)
  }

  private static func averageWithNeighbors(_ x: Tensor, direction: Int, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let y = Tensor(shape)
    let stride = shape.stride
    let rowFloats = shape.width * stride
    overRows(of: shape, on: workers) { image, row in
      let input = x.image(image) + row * rowFloats
      let output = y.image(image) + row * rowFloats
      let nextRow = (0..<shape.height).contains(row + direction) ? direction * rowFloats : nil
      // All pixels but the one at the end have a neighbor; they lie side by side.
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

  // MARK: - Mean over the image

  /// The mean over all pixels: rows in single precision, which are then joined in double precision.
  ///
  /// - Parameter x: `[N, H, W, C]`.
  /// - Returns: `[N, 1, 1, C]`.
  package static func globalAverage(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let shape = x.shape
    let stride = shape.stride
    let rowSums = Buffer(count: shape.images * shape.height * stride)
    overRows(of: shape, on: workers) { image, row in
      let input = x.image(image) + row * shape.width * stride
      let sums = rowSums.start + (image * shape.height + row) * stride
      var channel = 0
      while channel < stride {
        sums.store(input.vector(channel), channel)
        channel += 8
      }
      for column in 1..<max(1, shape.width) {
        let pixel = input + column * stride
        channel = 0
        while channel < stride {
          sums.store(sums.vector(channel) + pixel.vector(channel), channel)
          channel += 8
        }
      }
    }
    let mean = Tensor(shape.with(size: Size(1, 1)))
    let divisor = Double(shape.pixelsPerImage)
    workers.parallelFor(shape.images) { image, _ in
      let sums = rowSums.start + image * shape.height * stride
      for channel in 0..<stride {
        var sum = 0.0
        for row in 0..<shape.height { sum += Double(sums[row * stride + channel]) }
        mean.image(image)[channel] = Float(sum / divisor)
      }
    }
    return mean
  }

  /// Every pixel gets its share, dL/dy over H · W.
  ///
  /// - Parameter dy: `[N, 1, 1, C]`.
  /// - Returns: `[N, H, W, C]`.
  package static func globalAverageGradient(_ dy: Tensor, inputSize: Size, on workers: WorkerPool) -> Tensor {
    precondition(dy.shape.size == Size(1, 1))
    let dx = Tensor(dy.shape.with(size: inputSize))
    let stride = dx.shape.stride
    let factor = Float(1 / Double(dx.shape.pixelsPerImage))
    overRows(of: dx.shape, on: workers) { image, row in
      let output = dx.image(image) + row * inputSize.width * stride
      for column in 0..<inputSize.width {
        sum(dy.image(image), and: nil, and: nil, times: factor, count: stride, into: output + column * stride)
      }
    }
    return dx
  }

  // MARK: - Parts

  private static func half(_ size: Size) -> Size { Size((size.height + 1) / 2, (size.width + 1) / 2) }

  /// Calls `body` once for each row of each image, every call a task.
  @inline(__always)
  private static func overRows(of shape: Shape, on workers: WorkerPool, _ body: (_ image: Int, _ row: Int) -> Void) {
    precondition(shape.channels > 1)
    workers.parallelFor(shape.images * shape.height) { task, _ in
      let (image, row) = task.quotientAndRemainder(dividingBy: shape.height)
      body(image, row)
    }
  }

  /// For each of `count` floats from `source` on: the sum of it and of those `right`, `below` and both away, where there
  /// are such, times `factor`.
  @inline(__always)
  private static func sum(
    _ source: UnsafeMutablePointer<Float>, and right: Int?, and below: Int?, times factor: Float, count: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    switch (right, below) {
    case (let right?, let below?):
      forEachVector(count) { index in
        let here = source.vector(index) + source.vector(index + right)
        let there = source.vector(index + below) + source.vector(index + below + right)
        result.store((here + there) * factor, index)
      }
    case (let other?, nil), (nil, let other?):
      forEachVector(count) { index in
        result.store((source.vector(index) + source.vector(index + other)) * factor, index)
      }
    case (nil, nil):
      forEachVector(count) { index in result.store(source.vector(index) * factor, index) }
    }
  }

  @inline(__always)
  private static func forEachVector(_ count: Int, _ body: (Int) -> Void) {
    var index = 0
    while index < count {
      body(index)
      index += 8
    }
  }
}
