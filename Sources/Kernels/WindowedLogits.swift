import Tensors

/// Where windows of one length lie along an axis: `stride` apart from 0 on, the last one at the end. Neighbors overlap by
/// `overlap`, the last two by as much or more (mmsegmentation's slide inference).
package struct WindowPositions: Sendable, Equatable {
  /// The first pixel of each window.
  package let starts: [Int]
  /// Pixels of a window, at most those of the axis.
  package let length: Int
  /// The number of windows that hold each pixel.
  let counts: [Int]

  /// - Parameters:
  ///   - pixels: of the axis.
  ///   - overlap: less than `window`.
  package init(of pixels: Int, window: Int, overlap: Int) {
    precondition(pixels > 0 && overlap >= 0 && overlap < window)
    let stride = window - overlap
    length = min(window, pixels)
    let last = pixels - length
    starts = (0...last.dividedRoundingUp(by: stride)).map { min($0 * stride, last) }
    var counts = [Int](repeating: 0, count: pixels)
    for start in starts { for pixel in start..<start + length { counts[pixel] += 1 } }
    self.counts = counts
  }
}

/// The logits of an image from those of its windows: sums, divided by the number of windows that hold a pixel.
///
/// Rows of windows are added from top to bottom. Only the rows that the next windows need are in memory: those of one
/// window, at the whole width of the image.
package final class WindowedLogits {
  private let rows: WindowPositions
  private let columns: WindowPositions
  /// `[1, rows, W, C]`.
  private let band: Tensor
  /// The row of the image that is the band's first.
  private var first = 0
  /// The rows above are divided.
  private var end = 0
  /// The number of the current row of windows.
  private var current = 0

  package init(_ rows: WindowPositions, _ columns: WindowPositions, channels: Int) {
    self.rows = rows
    self.columns = columns
    band = .zeros(Shape(1, Self.bandRows(rows.length), columns.counts.count, channels))
  }

  /// One more than a window has: interpolation may need the last row above it again.
  private static func bandRows(_ length: Int) -> Int { length + 1 }

  /// Bytes of the band.
  package static func bytes(windowHeight: Int, width: Int, channels: Int) -> Int {
    Shape(1, bandRows(windowHeight), width, channels).count * MemoryLayout<Float>.stride
  }

  /// Adds a window of the current row.
  ///
  /// - Parameters:
  ///   - logits: `[1, H, W, C]` of the window.
  ///   - left: its first column in the image.
  package func add(_ logits: Tensor, left: Int, on workers: WorkerPool) {
    precondition(logits.shape.size == Size(rows.length, columns.length) && columns.starts.contains(left))
    let stride = logits.shape.stride
    let top = rows.starts[current] - first
    let microkernels = workers.microkernels
    workers.parallelFor(rows.length) { row, _ in
      microkernels.add(
        logits.start + row * columns.length * stride,
        to: band.start + ((top + row) * band.shape.width + left) * stride, count: columns.length * stride)
    }
  }

  /// Ends the current row of windows: passes the rows that no further window changes to `view`, and makes room for the
  /// next row of windows.
  package func finishRow(into view: inout ProbabilityMap.AugmentedView, on workers: WorkerPool) {
    let isLast = current + 1 == rows.starts.count
    let begin = end
    end = isLast ? rows.counts.count : rows.starts[current + 1]
    divide(begin..<end, on: workers)
    view.add(band, first: first, end: end, on: workers)
    guard !isLast else { return }
    let keep = min(end, view.firstNeeded)
    let rowFloats = band.shape.width * band.shape.stride
    let kept = rows.starts[current] + rows.length - keep
    let moved = band.start + (keep - first) * rowFloats
    band.start.update(from: moved, count: kept * rowFloats)
    (band.start + kept * rowFloats).update(repeating: 0, count: (band.shape.height - kept) * rowFloats)
    first = keep
    current += 1
  }

  private func divide(_ range: Range<Int>, on workers: WorkerPool) {
    let stride = band.shape.stride
    workers.parallelFor(range.count) { task, _ in
      let row = range.lowerBound + task
      let line = band.start + (row - first) * band.shape.width * stride
      for (column, count) in columns.counts.enumerated() where count * rows.counts[row] > 1 {
        let divisor = Float(count * rows.counts[row])
        for channel in column * stride..<(column + 1) * stride { line[channel] /= divisor }
      }
    }
  }
}
