import Foundation
import Microkernels
import Tensors

/// A symmetric smoothing filter along rows and along columns, with symmetric padding (the pixels at the frame are
/// mirrored).
///
/// With the weights w₀, w₁ … w_r, in each direction
///
///     y[i] = Σ w_|k| · x[i + k],  k from −r to r,  x[−1 − i] = x[i] and x[n + i] = x[n − 1 − i]
///
/// Mirroring and symmetric weights make the matrix of this sum symmetric, y[i] depends on x[j] as y[j] on x[i]: the
/// backward pass is the same filter, dL/dx = filter(dL/dy).
struct SeparableFilter {
  /// w₀, w₁ … w_r; r is at most `PaddedRow.margin`.
  private let weights: [Float]

  private init(_ weights: [Double]) {
    let sum = 2 * weights.reduce(0, +) - weights[0]
    self.weights = weights.map { Float($0 / sum) }
    precondition(weights.count - 1 <= PaddedRow.margin)
  }

  /// 1 2 3 4 5 4 3 2 1, of standard deviation 2.
  static let triangle = SeparableFilter([5, 4, 3, 2, 1])

  /// Of standard deviation 2, cut at three of them.
  static let gaussian = SeparableFilter((0...6).map { exp(-Double($0 * $0) / 8) })

  private var radius: Int { weights.count - 1 }

  /// Filters planes.
  func apply(to input: ClassPlanes, into output: ClassPlanes, on workers: WorkerPool) {
    apply(into: output, on: workers) { plane, y, row in row.update(from: input.row(plane, y), count: input.stride) }
  }

  /// Filters planes.
  ///
  /// - Parameter input: writes a row of a plane to a pointer.
  func apply(
    into output: ClassPlanes, on workers: WorkerPool,
    _ input: (_ plane: Int, _ y: Int, _ row: UnsafeMutablePointer<Float>) -> Void
  ) {
    let (width, stride) = (output.width, output.stride)
    let padded = PaddedRow.count(width: width)
    let perWorker = padded + (output.rowsOfBand + 2 * radius) * stride
    let workspaces = Buffer(count: workers.threads * perWorker)
    weights.withUnsafeBufferPointer { weights in
      guard let weights = weights.baseAddress else { return }
      output.forEachBand(on: workers) { _, plane, rows, worker in
        let row = PaddedRow(workspaces.start + worker * perWorker, width: width)
        let filtered = workspaces.start + worker * perWorker + padded
        for y in rows.lowerBound - radius..<rows.upperBound + radius {
          input(plane, reflected(y, output.height), row.start)
          row.padSymmetrically(radius)
          filter(row.start, stride, step: 1, weights, into: filtered + (y - rows.lowerBound + radius) * stride)
        }
        for y in rows {
          filter(
            filtered + (y - rows.lowerBound + radius) * stride, stride, step: stride, weights,
            into: output.row(plane, y))
        }
      }
    }
  }

  /// - Parameter step: floats to the next pixel of the line that is filtered: 1 along a row, the stride along a column.
  @inline(__always)
  private func filter(
    _ row: UnsafeMutablePointer<Float>, _ count: Int, step: Int, _ weights: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    var x = 0
    while x < count {
      var sum = row.vector(x) * weights[0]
      for k in 1...radius { sum += (row.vector(x - k * step) + row.vector(x + k * step)) * weights[k] }
      result.store(sum, x)
      x += 8
    }
  }
}
