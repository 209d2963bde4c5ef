import Microkernels
import Tensors

/// The tiles of one image that share a pair of algorithms.
///
/// A convolution with dilation d takes the image apart into d × d interleaved sub-grids that know nothing of each
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

  /// All tiles of an image, by kind.
  static func groups(of size: Size, dilation: Int) -> [WinogradTiles] {
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

  /// Floats of workspace that a transform needs.
  static var workspace: Int { microkernels.tileWorkspaceCount }

  /// Rows from an output row on that lie in the image, at most `limit`, in steps of the dilation.
  @inline(__always)
  private func reach(from origin: Int, to end: Int, _ limit: Int) -> Int {
    min(limit, (end - origin + dilation - 1) / dilation)
  }
}

// MARK: - Transforms of a tile

extension WinogradTiles {
  /// Bᵀ x B of tile `tile`, all channels.
  ///
  /// - Parameter image: the first pixel, `channels` (a multiple of 8) floats a pixel.
  func transformInput(
    _ image: UnsafeMutablePointer<Float>, channels: Int, tile: Int, to target: TileLayout,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let top = rows[tile / columns.count] - vertical.reach * dilation
    let left = columns[tile % columns.count] - horizontal.reach * dilation
    let patch = patch(
      image, channels, top, left, rows: vertical.inputs, columns: horizontal.inputs)
    microkernels.transformInput(patch, channels: channels, vertical, horizontal, to: target, workspace: workspace)
  }

  /// A dy Aᵀ of tile `tile`, all channels; see `transformInput`.
  func transformGradient(
    _ image: UnsafeMutablePointer<Float>, channels: Int, tile: Int, to target: TileLayout,
    workspace: UnsafeMutablePointer<Float>
  ) {
    microkernels.transformGradient(
      outputPatch(image, channels, tile), channels: channels, vertical, horizontal, to: target, workspace: workspace)
  }

  /// Aᵀ m A of tile `tile`, all channels, written to the part of the tile that lies in the image.
  ///
  /// - Parameters:
  ///   - products: product p of the channels lies at `products + p · product`.
  ///   - image: the first pixel of the result, `channels` (a multiple of 8) floats a pixel.
  ///   - nonTemporal: whether to write past the caches, where pixels are whole lines of them.
  ///   - epilogue: for the whole image.
  func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, tile: Int, to image: UnsafeMutablePointer<Float>,
    channels: Int, nonTemporal: Bool, epilogue: EpiloguePointers? = nil, workspace: UnsafeMutablePointer<Float>
  ) {
    let patch = outputPatch(image, channels, tile, nonTemporal: nonTemporal && channels % 16 == 0)
    microkernels.transformOutput(
      products, product: product, vertical, horizontal, to: patch, channels: channels,
      epilogue: epilogue?.advanced(columns: 0, floats: patch.start - image), workspace: workspace)
  }

  private func outputPatch(
    _ image: UnsafeMutablePointer<Float>, _ channels: Int, _ tile: Int, nonTemporal: Bool = false
  ) -> TilePatch {
    patch(
      image, channels, rows[tile / columns.count], columns[tile % columns.count], rows: vertical.outputs,
      columns: horizontal.outputs, nonTemporal: nonTemporal)
  }

  private func patch(
    _ image: UnsafeMutablePointer<Float>, _ channels: Int, _ top: Int, _ left: Int, rows: Int, columns: Int,
    nonTemporal: Bool = false
  ) -> TilePatch {
    TilePatch(
      start: image + (top * size.width + left) * channels, row: dilation * size.width * channels,
      column: dilation * channels,
      rows: (top < 0 ? 1 : 0)..<reach(from: top, to: size.height, rows),
      columns: (left < 0 ? 1 : 0)..<reach(from: left, to: size.width, columns), nonTemporal: nonTemporal)
  }
}
