/// The innermost loops of all arithmetic: pointers in, pointers out, no memory of their own.
///
/// One source (`MicrokernelsPlain`; `MicrokernelsAVX2` and `MicrokernelsAVX512` are links to it) is compiled once for each instruction set, and
/// the program chooses when it starts (`Processor`). So the code of those targets may use nothing but pointers, numbers and
/// vectors: an array or a generic function of the standard library would be compiled there for the wider processor
/// and might then serve the whole program.
///
/// Rows of pixels are `width` floats, a multiple of 8.
package protocol MicrokernelSet: Sendable {
  /// As the user knows it: "AVX2".
  static var name: String { get }

  /// To be called once, before the others.
  static func prepare()

  // MARK: - Matrix product

  /// Rows of the tile that stays in registers: blocks of a multiple of it waste nothing.
  static var tileRows: Int { get }

  /// Whether the rounding of `multiply` depends on how many rows and columns there are, and on a row's place among them.
  static var roundsByPlace: Bool { get }

  /// Columns of a panel of the right matrix of `multiply`, of which there are `columns`.
  static func panelWidth(columns: Int) -> Int

  /// FloatSlice that the panels of a `depth` × `columns` matrix take.
  static func packedCount(depth: Int, columns: Int) -> Int

  /// Where column `column` (a multiple of 8) of a packed matrix begins, and how far it is from there to the next row.
  static func place(of column: Int, in columns: Int, depth: Int) -> (offset: Int, step: Int)

  /// FloatSlice of scratch that `multiply` needs.
  static var productScratch: Int { get }

  /// Packs one panel of the matrix whose element (i, j) is `source[i * rowStride + j * columnStride]`.
  static func pack(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>)

  /// `C = A · B`, plus what C held where `accumulate` says so; see `MatrixProduct.multiply`.
  static func multiply(
    rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedMatrix,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, finish: Finish?,
    scratch: UnsafeMutablePointer<Float>)

  /// Applies `finish` to a block of a result.
  static func complete(
    _ c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int, _ finish: Finish)

  /// Columns of a panel of the left matrix of `multiplyTransposed`, a divisor of 256.
  static var leftWidth: Int { get }

  /// Columns of a panel of the right matrix of `multiplyTransposed`, of which there are `columns`.
  static func rightWidth(columns: Int) -> Int

  /// Packs `rows` rows of `columns` floats (a multiple of 8) in panels `[columns / width][capacity][width]`; what is missing
  /// of the last panel becomes zero.
  ///
  /// - Parameter other: where it is given, what is packed is `source + sign · other`.
  static func packRows(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float, times other: UnsafePointer<Float>?,
    rowStride: Int, width: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>)

  /// `C += Aᵀ · B` over rows in panels; see `MatrixProduct.multiplyTransposed`.
  static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int)

  // MARK: - Winograd

  /// FloatSlice of scratch that a transform of a tile needs.
  static var tileScratch: Int { get }

  /// Bᵀ x B of a tile, all channels.
  static func transformInput(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, scratch: UnsafeMutablePointer<Float>)

  /// A dy Aᵀ of a tile, all channels.
  static func transformGradient(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, scratch: UnsafeMutablePointer<Float>)

  /// Aᵀ m A of a tile, all channels, written to the rows and columns of the patch that lie in the image.
  ///
  /// - Parameters:
  ///   - products: product p of the channels lies at `products + p · product`.
  ///   - channel: the first channel of `finish`; its residual lies as the image does, from the tile on.
  static func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to patch: TilePatch, channels: Int, finish: Finish?, scratch: UnsafeMutablePointer<Float>)

  /// G w Gᵀ of `width` neighboring outputs (8 or a multiple) of one input.
  ///
  /// - Parameters:
  ///   - tap: floats from one tap to the next, nine of them.
  ///   - product: floats from one product to the next.
  ///   - streaming: whether to write past the caches; all places are then multiples of 16 floats.
  static func transformFilter(
    _ taps: UnsafePointer<Float>, tap: Int, width: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: UnsafeMutablePointer<Float>, product: Int, streaming: Bool,
    scratch: UnsafeMutablePointer<Float>)

  /// Gᵀ du G of eight neighboring outputs of one input: nine vectors of eight.
  static func transformFilterGradient(
    _ du: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to taps: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)

  // MARK: - Batch norm

  /// Adds to `sum` and `squares` the deviations of each column from `pivot`, and their squares.
  static func addDeviations(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, from pivot: UnsafePointer<Float>,
    to sum: UnsafeMutablePointer<Float>, _ squares: UnsafeMutablePointer<Float>)

  /// `z · scale + shift (+ residual)`, at least zero where `relu`.
  ///
  /// - Parameter streaming: whether to write past the caches; y is aligned to 64 bytes then.
  static func normalize(
    _ z: UnsafePointer<Float>, rows: Int, width: Int, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: UnsafePointer<Float>?, relu: Bool, into y: UnsafeMutablePointer<Float>, streaming: Bool)

  /// Adds to `sum` the gradients that `mask` lets through, and to `product` these times z − mean.
  static func addGradients(
    _ dy: UnsafePointer<Float>, _ z: UnsafePointer<Float>, rows: Int, width: Int, _ channels: NormalizerRows,
    mask: GradientMask, to sum: UnsafeMutablePointer<Float>, _ product: UnsafeMutablePointer<Float>)

  /// `g · scale + (z − mean) · slope + offset` for the gradients g that `mask` lets through.
  static func normalizerGradient(
    _ dy: UnsafePointer<Float>, _ z: UnsafePointer<Float>, rows: Int, width: Int, _ channels: NormalizerRows,
    slope: UnsafePointer<Float>, offset: UnsafePointer<Float>, mask: GradientMask,
    into dz: UnsafeMutablePointer<Float>)

  // MARK: - Sums

  /// Adds each row to `sums`.
  static func addRows(_ values: UnsafePointer<Float>, rows: Int, width: Int, to sums: UnsafeMutablePointer<Float>)

  /// Adds each row times its number of `factors` to `sums`.
  static func addRows(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, times factors: UnsafePointer<Float>,
    to sums: UnsafeMutablePointer<Float>)

  /// Of each row, the sum of the products with `weights`, plus `offset`.
  static func dot(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, _ weights: UnsafePointer<Float>, plus offset: Float,
    into result: UnsafeMutablePointer<Float>)

  /// Each of `values` times the row `weights`, plus the row `bias`.
  static func outer(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, _ weights: UnsafePointer<Float>,
    plus bias: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>)

  // MARK: - Element by element (`count` is rounded up to whole vectors of 8)

  /// `sum += summand`
  static func add(_ summand: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int)

  /// `sum = a · left + b · right`, for `rows` rows of `columns` floats each.
  static func combine(
    rows: Int, columns: Int, _ a: Float, _ left: UnsafePointer<Float>, _ leftStride: Int, _ b: Float,
    _ right: UnsafePointer<Float>, _ rightStride: Int, into sum: UnsafeMutablePointer<Float>, _ sumStride: Int)

  /// `max(x, 0)`
  static func relu(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int)

  /// `dy` where `y` is positive, else 0; may be written over `dy`.
  static func mask(
    _ dy: UnsafePointer<Float>, where y: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, count: Int)

  /// A step of gradient descent; see `GradientDescent`. The count is exact.
  static func sgdStep(
    _ w: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>, count: Int,
    rate: Float, momentum: Float, decay: Float)

  /// `low + fraction · (high − low)`
  static func mix(
    _ low: UnsafePointer<Float>, _ high: UnsafePointer<Float>, fraction: Float,
    into result: UnsafeMutablePointer<Float>, count: Int)

  /// The sum of `terms` runs of floats, `step` floats from one to the next, each times its weight.
  static func gather(
    _ source: UnsafePointer<Float>, step: Int, weights: UnsafePointer<Float>, terms: Int,
    into result: UnsafeMutablePointer<Float>, count: Int)

  /// Each row times 1 + its number of `attention`.
  static func gate(
    _ feature: UnsafePointer<Float>, rows: Int, width: Int, by attention: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>)

  /// The backward pass through `gate`: `dy · (1 + attention)`, and of each row Σ dy · feature.
  static func gateGradient(
    _ dy: UnsafePointer<Float>, _ feature: UnsafePointer<Float>, rows: Int, width: Int,
    by attention: UnsafePointer<Float>, feature ofFeature: UnsafeMutablePointer<Float>,
    attention ofAttention: UnsafeMutablePointer<Float>)
}
