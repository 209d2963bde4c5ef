import Microkernels
import Tensors

/// The tiles of one image that share a pair of algorithms.
///
/// A convolution with dilation d splits the image into d × d interleaved sub-grids that are independent of each other:
/// each is an ordinary convolution of the pixels (r + d·i, s + d·j). The lines of the sub-grids have at most two
/// lengths, ⌈H/d⌉ and ⌊H/d⌋, so there are up to two algorithms per axis and up to four groups of tiles.
///
/// Rows and columns of tiles are independent: tile t is at `rows[t / columns.count]`, `columns[t % columns.count]`.
struct WinogradTiles: Sendable {
  let size: Size
  let dilation: Int
  /// The algorithms down a column and along a row.
  let vertical: WinogradAlgorithm
  let horizontal: WinogradAlgorithm
  /// The first output row (column) of each row (column) of tiles.
  private let rows: [Int]
  private let columns: [Int]
  let microkernels: any MicrokernelSet.Type

  /// All tiles of an image, grouped by their pair of algorithms.
  static func groups(of size: Size, dilation: Int, on workers: WorkerPool) -> [WinogradTiles] {
    let vertical = origins(length: size.height, dilation: dilation)
    let horizontal = origins(length: size.width, dilation: dilation)
    return vertical.flatMap { rows in
      horizontal.map { columns in
        WinogradTiles(
          size: size, dilation: dilation, vertical: rows.algorithm, horizontal: columns.algorithm,
          rows: rows.origins, columns: columns.origins, microkernels: workers.microkernels)
      }
    }
  }

  private static func origins(length: Int, dilation: Int) -> [(algorithm: WinogradAlgorithm, origins: [Int])] {
    var groups: [(algorithm: WinogradAlgorithm, origins: [Int])] = []
    for phase in 0..<min(dilation, length) {
      let line = (length - phase).dividedRoundingUp(by: dilation)
      let algorithm = WinogradAlgorithm(length: line)
      let origins = stride(from: 0, to: line, by: algorithm.outputs).map { phase + dilation * $0 }
      if let group = groups.firstIndex(where: { $0.algorithm == algorithm }) {
        groups[group].origins += origins
      } else {
        groups.append((algorithm, origins))
      }
    }
    return groups
  }

  var count: Int { rows.count * columns.count }

  /// Products of a tile: the number of matrices in the transformed weights.
  var products: Int { vertical.products * horizontal.products }

  /// Floats of workspace that all transformed tiles of an operation may take together: 96 MiB.
  static let winogradWorkspaceLimit = 24 << 20

  /// Floats of workspace that the transform of a tile needs.
  var workspaceCount: Int { microkernels.tileWorkspaceCount }

  /// The number of pixels from `origin` on, in steps of the dilation, that lie before `end`; at most `limit`.
  @inline(__always)
  private func pixels(from origin: Int, to end: Int, _ limit: Int) -> Int {
    min(limit, (end - origin).dividedRoundingUp(by: dilation))
  }
}

// MARK: - Transforms of a tile

extension WinogradTiles {
  /// Bᵀ x B of tile `tile`, all channels.
  ///
  /// - Parameter image: the first pixel, `channels` (a multiple of 8) numbers per pixel.
  func transformInput(
    _ image: ElementPointer, channels: Int, tile: Int, to target: TileLayout,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let top = rows[tile / columns.count] - vertical.halo * dilation
    let left = columns[tile % columns.count] - horizontal.halo * dilation
    let patch = patch(
      image, channels, top, left, rows: vertical.inputs, columns: horizontal.inputs)
    microkernels.transformInput(patch, channels: channels, vertical, horizontal, to: target, workspace: workspace)
  }

  /// A dy Aᵀ of tile `tile`, all channels; see `transformInput`.
  func transformGradient(
    _ image: ElementPointer, channels: Int, tile: Int, to target: TileLayout,
    workspace: UnsafeMutablePointer<Float>
  ) {
    microkernels.transformGradient(
      outputPatch(image, channels, tile), channels: channels, vertical, horizontal, to: target, workspace: workspace)
  }

  /// Aᵀ m A of tile `tile`, all channels, written to the part of the tile that lies in the image.
  ///
  /// - Parameters:
  ///   - products: product p of the channels is at `products + p · product`.
  ///   - image: the first pixel of the result, `channels` (a multiple of 8) numbers per pixel.
  ///   - nonTemporal: whether to use non-temporal stores if pixels are whole cache lines.
  ///   - epilogue: the one of the whole image.
  func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, tile: Int, to image: ElementPointer,
    channels: Int, nonTemporal: Bool, epilogue: EpiloguePointers? = nil, workspace: UnsafeMutablePointer<Float>
  ) {
    let patch = outputPatch(image, channels, tile, nonTemporal: nonTemporal && channels % 16 == 0)
    let offset = (rows[tile / columns.count] * size.width + columns[tile % columns.count]) * channels
    microkernels.transformOutput(
      products, product: product, vertical, horizontal, to: patch, channels: channels,
      epilogue: epilogue?.advanced(columns: 0, elements: offset), workspace: workspace)
  }

  private func outputPatch(
    _ image: ElementPointer, _ channels: Int, _ tile: Int, nonTemporal: Bool = false
  ) -> TilePatch {
    patch(
      image, channels, rows[tile / columns.count], columns[tile % columns.count], rows: vertical.outputs,
      columns: horizontal.outputs, nonTemporal: nonTemporal)
  }

  private func patch(
    _ image: ElementPointer, _ channels: Int, _ top: Int, _ left: Int, rows: Int, columns: Int,
    nonTemporal: Bool = false
  ) -> TilePatch {
    TilePatch(
      start: image + (top * size.width + left) * channels, row: dilation * size.width * channels,
      column: dilation * channels,
      rows: (top < 0 ? 1 : 0)..<pixels(from: top, to: size.height, rows),
      columns: (left < 0 ? 1 : 0)..<pixels(from: left, to: size.width, columns), nonTemporal: nonTemporal)
  }
}
