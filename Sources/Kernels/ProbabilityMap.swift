import Microkernels
import Tensors

/// The classes of an image's pixels, by the mean of the class probabilities that several views of it give (scaled,
/// mirrored).
///
/// Each view's logits are interpolated to the size of the image, then follows the softmax, then the mean; the class is
/// the one with the largest mean, the first of several equal ones. A single view needs no softmax: its class is the
/// one with the largest logit. Views are added one after another, each from its first row to its last.
package final class ProbabilityMap: @unchecked Sendable {
  // Unchecked: workers write disjoint rows.

  /// Of the image.
  package let size: Size
  package let channels: Int
  private let views: Int
  /// Sums over the views, `[H, W, C]` without padding; nil if they are not needed.
  private let sums: Buffer?
  private let classes: UnsafeMutablePointer<UInt8>

  /// - Parameters:
  ///   - channels: classes, 2 to 256.
  ///   - views: how many will be added.
  ///   - keepsProbabilities: whether `probability` will be called.
  package init(_ size: Size, channels: Int, views: Int, keepsProbabilities: Bool = false) {
    precondition((2...256).contains(channels) && views > 0)
    self.size = size
    self.channels = channels
    self.views = views
    let pixels = size.height * size.width
    sums = views > 1 || keepsProbabilities ? Buffer(count: pixels * channels) : nil
    sums?.clear()
    classes = .allocate(capacity: pixels)
    classes.initialize(repeating: 0, count: pixels)
  }

  deinit { classes.deallocate() }

  /// Bytes of the sums for each pixel.
  package static func bytesPerPixel(channels: Int) -> Int { channels * MemoryLayout<Float>.stride }

  /// The class of every pixel, `H · W`, once all views are added.
  package func predictions(on workers: WorkerPool) -> [UInt8] {
    let pixels = size.height * size.width
    if views > 1, let sums {
      let channels = channels
      let classes = classes
      workers.forEachChunk(of: pixels, grain: 4096) { chunk, _ in
        for pixel in chunk {
          let values = sums.start + pixel * channels
          var best = 0
          for channel in 1..<channels where values[channel] > values[best] { best = channel }
          classes[pixel] = UInt8(truncatingIfNeeded: best)
        }
      }
    }
    return Array(UnsafeBufferPointer(start: classes, count: pixels))
  }

  /// The mean probability of a class at a pixel, row by row, once all views are added.
  package func probability(of channel: Int, at pixel: Int) -> Float {
    guard let sums else { preconditionFailure("the map keeps no probabilities") }
    return sums.start[pixel * channels + channel] / Float(views)
  }

  /// Adds a row of the image.
  ///
  /// - Parameter logits: of its pixels, from left to right in the view; overwritten.
  fileprivate func add(_ logits: UnsafeMutablePointer<Float>, row: Int, isMirrored: Bool) {
    let stride = Shape(1, 1, 1, channels).stride
    let full = (channels - 1) / 8
    let padding = VectorMath.lanes(from: channels - 8 * full)
    for column in 0..<size.width {
      let pixel = row * size.width + (isMirrored ? size.width - 1 - column : column)
      let values = logits + column * stride
      if views == 1 { classes[pixel] = Prediction.largest(values, full, padding) }
      guard let sums else { continue }
      Self.softmax(values, full, padding)
      let sum = sums.start + pixel * channels
      for channel in 0..<channels { sum[channel] += values[channel] }
    }
  }

  /// In place: `exp(x − max) / Σ exp(x − max)`.
  @inline(__always)
  private static func softmax(
    _ values: UnsafeMutablePointer<Float>, _ full: Int, _ padding: SIMDMask<SIMD8<Int32>>
  ) {
    var largest = Vector(repeating: -.infinity)
    for vector in 0...full {
      var value = values.vector(vector * 8)
      if vector == full { value.replace(with: -.infinity, where: padding) }
      largest = VectorMath.larger(largest, value)
    }
    let shift = Vector(repeating: VectorMath.largest(largest))
    var sum = Vector(repeating: 0)
    for vector in 0...full {
      var power = VectorMath.exp(values.vector(vector * 8) - shift)
      if vector == full { power.replace(with: 0, where: padding) }
      values.store(power, vector * 8)
      sum += power
    }
    let total = Vector(repeating: sum.horizontalSum)
    for vector in 0...full { values.store(values.vector(vector * 8) / total, vector * 8) }
  }

  /// Adds the rows of one view to a map, from top to bottom, as far as its logits are known.
  package struct AugmentedView {
    private let map: ProbabilityMap
    private let isMirrored: Bool
    private let rows: InterpolationTaps
    private let columns: InterpolationTaps
    private let size: Size
    /// The next row of the map.
    private var next = 0

    /// - Parameters:
    ///   - size: of the view.
    ///   - isMirrored: whether left and right are exchanged in the view.
    package init(of map: ProbabilityMap, _ size: Size, isMirrored: Bool) {
      self.map = map
      self.size = size
      self.isMirrored = isMirrored
      rows = InterpolationTaps(outputs: map.size.height, inputs: size.height, .halfPixel)
      columns = InterpolationTaps(outputs: map.size.width, inputs: size.width, .halfPixel)
    }

    /// The first row of the view that is still needed.
    package var firstNeeded: Int { next < rows.count ? rows.lower[next] : size.height }

    /// Adds the rows of the map that follow from the rows of the view above `end`.
    ///
    /// - Parameters:
    ///   - logits: rows of the view, `[1, rows, W, C]`.
    ///   - first: the row of the view that is their first, at most `firstNeeded`.
    package mutating func add(_ logits: Tensor, first: Int, end: Int, on workers: WorkerPool) {
      precondition(logits.shape.width == size.width && logits.shape.channels == map.channels && first <= firstNeeded)
      let begin = next
      while next < rows.count && rows.upper[next] < end { next += 1 }
      addRows(begin..<next, of: logits, first: first, on: workers)
    }

    private func addRows(_ range: Range<Int>, of logits: Tensor, first: Int, on workers: WorkerPool) {
      let stride = logits.shape.stride
      let rowFloats = size.width * stride
      let microkernels = workers.microkernels
      let blended = RowWorkspace(rowFloats, workers)
      let lines = RowWorkspace(map.size.width * stride, workers)
      workers.parallelFor(range.count) { task, worker in
        let row = range.lowerBound + task
        let source = blended.row(worker)
        let line = lines.row(worker)
        microkernels.lerp(
          logits.start + (rows.lower[row] - first) * rowFloats, logits.start + (rows.upper[row] - first) * rowFloats,
          fraction: rows.fraction[row], into: source, count: rowFloats)
        for column in 0..<columns.count {
          microkernels.lerp(
            source + columns.lower[column] * stride, source + columns.upper[column] * stride,
            fraction: columns.fraction[column], into: line + column * stride, count: stride)
        }
        map.add(line, row: row, isMirrored: isMirrored)
      }
    }
  }
}
