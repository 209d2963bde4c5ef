import Kernels
import System
import Tensors

/// Evaluation at full resolution in tiles of rows, so that tensors with many channels never exist for a whole image.
extension Tape {
  /// Extra rows that a tile is computed with on either side. The receptive field of two 3×3 convolutions is two rows,
  /// but identical bits need every row that a Winograd tile reads. A row lies in a tile of four rows, which reads one more
  /// row on either side: it depends on rows up to 4 away, and after two convolutions on rows up to 8 away.
  private static let halo = 8

  /// The output of `body` for all rows, in evaluation computed tile by tile.
  ///
  /// - Parameters:
  ///   - shape: of the largest tensor that `body` would create for all rows; it determines the rows of a tile.
  ///   - body: computes the given rows of the output. It may read at most two 3×3 convolutions beyond them.
  /// - Returns: the same bits as `body(0..<shape.height)`, which is what a trace records.
  package func inRowTiles(of shape: Shape, _ body: (_ rows: Range<Int>) -> Activation) -> Activation {
    // A multiple of the halo, so that Winograd tiles begin at the same rows as in the whole image.
    let halo = Self.halo
    let rows = max(halo, tileFloats / (shape.images * shape.width * shape.stride) / halo * halo)
    guard mode == .evaluation, trace == nil, shape.height > rows + halo else { return body(0..<shape.height) }
    var whole: Tensor?
    for first in stride(from: 0, to: shape.height, by: rows) {
      let inner = first..<min(shape.height, first + rows)
      let outer = max(0, first - halo)..<min(shape.height, inner.upperBound + halo)
      let tile = body(outer).value
      let target = whole ?? Tensor(tile.shape.with(size: shape.size), tile.precision)
      whole = target
      profile.measure(.elementwise) {
        RowTiles.copy(rows: inner, of: target, fromRow: inner.lowerBound - outer.lowerBound, of: tile, on: workers)
      }
    }
    return whole.map { Activation($0) } ?? body(0..<shape.height)
  }

  /// A copy of some rows; `x` itself where these are all. Fewer than all rows have no gradient: evaluation only.
  package func slice(_ x: Activation, rows: Range<Int>) -> Activation {
    if rows == 0..<x.shape.height { return x }
    precondition(mode == .evaluation && trace == nil)
    let slice = Tensor(x.shape.with(size: Size(rows.count, x.shape.width)), x.value.precision)
    profile.measure(.elementwise) {
      RowTiles.copy(rows: 0..<rows.count, of: slice, fromRow: rows.lowerBound, of: x.value, on: workers)
    }
    return Activation(slice)
  }
}
