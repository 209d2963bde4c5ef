import Tensors

/// The tiles of one picture that share a pair of algorithms.
///
/// A convolution with dilation d takes the picture apart into d × d interleaved sub-grids that know nothing of each
/// other: each is an ordinary convolution of the pixels (r + d·i, s + d·j). The sub-grids' lines have two lengths at
/// most, ⌈H/d⌉ and ⌊H/d⌋, so there are up to two algorithms an axis and up to four kinds of tiles.
///
/// Rows and columns of tiles are independent: tile t lies at `rows[t / columns.count]`, `columns[t % columns.count]`.
struct WinogradTiles: Sendable {
  let size: Size
  let dilation: Int
  /// The algorithms down a column and along a row.
  let vertical: WinogradAlgorithm
  let horizontal: WinogradAlgorithm
  /// The first output row (column) of each row (column) of tiles.
  private let rows: [Int]
  private let columns: [Int]

  /// All tiles of a picture, by kind.
  static func kinds(of size: Size, dilation: Int) -> [WinogradTiles] {
    let vertical = origins(length: size.height, dilation: dilation)
    let horizontal = origins(length: size.width, dilation: dilation)
    return vertical.flatMap { rows in
      horizontal.map { columns in
        WinogradTiles(
          size: size, dilation: dilation, vertical: rows.algorithm, horizontal: columns.algorithm,
          rows: rows.origins, columns: columns.origins)
      }
    }
  }

  private static func origins(length: Int, dilation: Int) -> [(algorithm: WinogradAlgorithm, origins: [Int])] {
    var kinds: [(algorithm: WinogradAlgorithm, origins: [Int])] = []
    for phase in 0..<min(dilation, length) {
      let line = (length - phase + dilation - 1) / dilation
      let algorithm = WinogradAlgorithm(length: line)
      let origins = stride(from: 0, to: line, by: algorithm.outputs).map { phase + dilation * $0 }
      if let kind = kinds.firstIndex(where: { $0.algorithm == algorithm }) {
        kinds[kind].origins += origins
      } else {
        kinds.append((algorithm, origins))
      }
    }
    return kinds
  }

  var count: Int { rows.count * columns.count }

  /// Products of a tile: matrices that the transformed weights consist of.
  var products: Int { vertical.products * horizontal.products }

  /// Whether both axes use F(4, 3), for which the transforms are compiled in one piece.
  private var isFour: Bool { vertical == .four && horizontal == .four }

  /// Floats of scratch that the transforms need: a patch of inputs and half-transformed vectors.
  static let scratch = 2 * WinogradAlgorithm.largest * WinogradAlgorithm.largest * 8

  /// Rows from an output row on that lie in the picture, at most `limit`, in steps of the dilation.
  @inline(__always)
  private func reach(from origin: Int, to end: Int, _ limit: Int) -> Int {
    min(limit, (end - origin + dilation - 1) / dilation)
  }
}

// MARK: - Transforms of a tile

extension WinogradTiles {
  /// Where transformed channels go: product p of channel c lies at
  /// `start + p · product + (c / width) · panel + c % width`.
  struct Layout {
    let start: UnsafeMutablePointer<Float>
    let product: Int
    /// A multiple of 8.
    let width: Int
    let panel: Int

    /// All channels side by side.
    static func row(_ start: UnsafeMutablePointer<Float>, product: Int) -> Layout {
      Layout(start: start, product: product, width: 8, panel: 8)
    }
  }

  /// Bᵀ x B of tile `tile`, all channels.
  ///
  /// - Parameters:
  ///   - picture: the first pixel, `channels` (a multiple of 8) floats a pixel.
  func transformInput(
    _ picture: UnsafePointer<Float>, channels: Int, tile: Int, to target: Layout,
    scratch: UnsafeMutablePointer<Float>
  ) {
    if isFour {
      input(.four, .four, picture, channels, tile, target, scratch)
    } else {
      input(vertical, horizontal, picture, channels, tile, target, scratch)
    }
  }

  @inline(__always)
  private func input(
    _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm, _ picture: UnsafePointer<Float>, _ channels: Int,
    _ tile: Int, _ target: Layout, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let top = rows[tile / columns.count] - vertical.reach * dilation
    let left = columns[tile % columns.count] - horizontal.reach * dilation
    let firstRow = top < 0 ? 1 : 0
    let firstColumn = left < 0 ? 1 : 0
    let patch = Patch(
      source: picture + (top * size.width + left) * channels,
      row: dilation * size.width * channels, column: dilation * channels,
      rows: firstRow..<reach(from: top, to: size.height, vertical.inputs),
      columns: firstColumn..<reach(from: left, to: size.width, horizontal.inputs))
    transform(
      patch, channels, vertical.inputs, vertical.products, horizontal.inputs, horizontal.products, target, scratch,
      along: { horizontal.transformInput($0, $1, $2, $3) }, down: { vertical.transformInput($0, $1, $2, $3) })
  }

  /// A dy Aᵀ of tile `tile`, all channels; see `transformInput`.
  func transformGradient(
    _ picture: UnsafePointer<Float>, channels: Int, tile: Int, to target: Layout,
    scratch: UnsafeMutablePointer<Float>
  ) {
    if isFour {
      gradient(.four, .four, picture, channels, tile, target, scratch)
    } else {
      gradient(vertical, horizontal, picture, channels, tile, target, scratch)
    }
  }

  @inline(__always)
  private func gradient(
    _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm, _ picture: UnsafePointer<Float>, _ channels: Int,
    _ tile: Int, _ target: Layout, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let top = rows[tile / columns.count]
    let left = columns[tile % columns.count]
    let patch = Patch(
      source: picture + (top * size.width + left) * channels,
      row: dilation * size.width * channels, column: dilation * channels,
      rows: 0..<reach(from: top, to: size.height, vertical.outputs),
      columns: 0..<reach(from: left, to: size.width, horizontal.outputs))
    transform(
      patch, channels, vertical.outputs, vertical.products, horizontal.outputs, horizontal.products, target, scratch,
      along: { horizontal.transformGradient($0, $1, $2, $3) }, down: { vertical.transformGradient($0, $1, $2, $3) })
  }

  /// The pixels under a tile: those in `rows` × `columns` are in the picture, the others count as zero.
  private struct Patch {
    let source: UnsafePointer<Float>
    let row: Int
    let column: Int
    let rows: Range<Int>
    let columns: Range<Int>
  }

  /// Both steps of a transform, first along rows of the patch, then down its columns.
  @inline(__always)
  private func transform(
    _ patch: Patch, _ channels: Int, _ height: Int, _ tall: Int, _ width: Int, _ wide: Int, _ target: Layout,
    _ scratch: UnsafeMutablePointer<Float>,
    along: (UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>, Int) -> Void,
    down: (UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>, Int) -> Void
  ) {
    let half = scratch
    let whole = patch.rows.count == height && patch.columns.count == width
    let gathered = scratch + WinogradAlgorithm.largest * WinogradAlgorithm.largest * 8
    if !whole {
      for index in 0..<(height * width) { gathered.store(Vector(), 8 * index) }
    }
    var panel = target.start
    var column = 0
    for channel in stride(from: 0, to: channels, by: 8) {
      if whole {
        for row in 0..<height {
          along(patch.source + row * patch.row + channel, patch.column, half + row * wide * 8, 8)
        }
      } else {
        for row in patch.rows {
          for column in patch.columns {
            gathered.store(
              (patch.source + row * patch.row + column * patch.column + channel).vector(), (row * width + column) * 8)
          }
        }
        for row in 0..<height { along(gathered + row * width * 8, 8, half + row * wide * 8, 8) }
      }
      for index in 0..<wide {
        down(half + index * 8, wide * 8, panel + column + index * target.product, wide * target.product)
      }
      column += 8
      if column == target.width {
        column = 0
        panel += target.panel
      }
    }
  }

  /// Aᵀ m A of tile `tile`, all channels, written to the part of the tile that lies in the picture.
  ///
  /// - Parameters:
  ///   - products: product p of the channels lies at `products + p · product`.
  ///   - picture: the first pixel of the result, `channels` (a multiple of 8) floats a pixel.
  func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, tile: Int, to picture: UnsafeMutablePointer<Float>,
    channels: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    if isFour {
      output(.four, .four, products, product, tile, picture, channels, scratch)
    } else {
      output(vertical, horizontal, products, product, tile, picture, channels, scratch)
    }
  }

  @inline(__always)
  private func output(
    _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm, _ products: UnsafePointer<Float>, _ product: Int,
    _ tile: Int, _ picture: UnsafeMutablePointer<Float>, _ channels: Int, _ half: UnsafeMutablePointer<Float>
  ) {
    let top = rows[tile / columns.count]
    let left = columns[tile % columns.count]
    let height = reach(from: top, to: size.height, vertical.outputs)
    let width = reach(from: left, to: size.width, horizontal.outputs)
    let wide = horizontal.products
    let target = picture + (top * size.width + left) * channels
    for channel in stride(from: 0, to: channels, by: 8) {
      for column in 0..<wide {
        vertical.transformOutput(
          products + column * product + channel, wide * product, half + column * 8, wide * 8, vertical.outputs)
      }
      for row in 0..<height {
        horizontal.transformOutput(
          half + row * wide * 8, 8, target + row * dilation * size.width * channels + channel, dilation * channels,
          width)
      }
    }
  }
}
