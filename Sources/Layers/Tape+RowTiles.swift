import Kernels
import System
import Tensors

/// Evaluation at full resolution, band by band, so that tensors of many channels never exist for a whole image.
extension Tape {
  /// Rows of its halo that a band is computed with. Two 3×3 convolutions look two rows far, but to the bit the
  /// result of Winograd's algorithm depends on all rows that its tile reads: a tile's four rows and one more on either side,
  /// twice.
  private static let halo = 8

  /// The output of `body` for all rows, in evaluation made band by band.
  ///
  /// - Parameters:
  ///   - shape: of the widest tensor that `body` would make of all rows, from which the height of a band follows.
  ///   - body: makes the rows it is told of; it may look two 3×3 convolutions far and its results depend on rows further away no more
  ///     than those.
  /// - Returns: the same bits as `body(0..<shape.height)`.
  package func inRowTiles(of shape: Shape, _ body: (_ rows: Range<Int>) -> Activation) -> Activation {
    // Whole tiles: a band begins where a tile of the whole image does.
    let grain = Self.halo
    let rows = max(grain, tileFloats / (shape.images * shape.width * shape.stride) / grain * grain)
    guard mode == .evaluation, shape.height > rows + grain else { return body(0..<shape.height) }
    var whole: Tensor?
    for first in stride(from: 0, to: shape.height, by: rows) {
      let inner = first..<min(shape.height, first + rows)
      let outer = max(0, first - grain)..<min(shape.height, inner.upperBound + grain)
      let band = body(outer).value
      let target = whole ?? Tensor(band.shape.with(size: shape.size))
      whole = target
      profile.measure(.elementwise) {
        RowTiles.copy(rows: inner, of: target, fromRow: inner.lowerBound - outer.lowerBound, of: band, on: workers)
      }
    }
    return whole.map { Activation($0) } ?? body(0..<shape.height)
  }

  /// Some rows; the activation itself, where these are all. Gradients do not come back through fewer.
  package func cut(_ rows: Range<Int>, of x: Activation) -> Activation {
    if rows == 0..<x.shape.height { return x }
    precondition(mode == .evaluation)
    let band = Tensor(x.shape.with(size: Size(rows.count, x.shape.width)))
    profile.measure(.elementwise) {
      RowTiles.copy(rows: 0..<rows.count, of: band, fromRow: rows.lowerBound, of: x.value, on: workers)
    }
    return Activation(band)
  }
}
