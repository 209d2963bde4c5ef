/// The microkernels of one instruction set: the innermost loops of all arithmetic. They take pointers and own no
/// memory.
///
/// `MicrokernelsPlain`, `MicrokernelsAVX2` and the others each have a `Backend` that conforms. What they
/// share is in `MicrokernelsShared` and `MicrokernelsGEMM`, linked into their folders and compiled once per instruction
/// set. `WorkerPool` carries the instruction set that its kernels use; `InstructionSet.microkernels` is the backend.
///
/// The code of those targets may use nothing but pointers, numbers and vectors. An array or a generic function of the
/// standard library would be specialized there for the wider instruction set; the linker may then keep that copy for
/// the whole program, which would stop with an illegal instruction on an older processor. `Tests/check-symbols` proves
/// that there is no such copy.
///
/// Rows of pixels are `width` numbers, a multiple of 8. What a microkernel reads or writes as `ElementPointer` has one
/// precision, unless it converts; arithmetic is in single precision.
package protocol MicrokernelSet: Sendable {
  /// The name shown to the user: "AVX2".
  static var name: String { get }

  // MARK: - GEMM

  /// Rows of C that the GEMM microkernel keeps in registers; blocks of a multiple of it waste nothing.
  static var tileRows: Int { get }

  /// Whether a row of `multiply`'s result has the same bits however many rows and columns there are and wherever the
  /// row stands among them.
  static var isBatchInvariant: Bool { get }

  /// Columns of a panel of B, which has `columns`.
  static func panelWidth(columns: Int) -> Int

  /// Floats of a packed `depth` × `columns` matrix.
  static func packedCount(depth: Int, columns: Int) -> Int

  /// The place of column `column` (a multiple of 8) in a packed matrix: where it begins, and floats from row to row
  /// there.
  static func packedOffset(ofColumn column: Int, columns: Int, depth: Int) -> (offset: Int, rowStride: Int)

  /// Floats of workspace that `multiply` needs.
  static var gemmWorkspaceCount: Int { get }

  /// Packs one panel of the matrix whose element (i, j) is `source[i * rowStride + j * columnStride]`.
  static func pack(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>)

  /// `C = A · B`, or `C += A · B` with `accumulate`, and then the epilogue; see `MatrixProduct.multiply`.
  static func multiply(
    rows: Int, columns: Range<Int>, _ a: UnsafePointer<Float>, aStride: Int, _ b: PackedB,
    into c: UnsafeMutablePointer<Float>, cStride: Int, accumulate: Bool, epilogue: EpiloguePointers?,
    workspace: UnsafeMutablePointer<Float>)

  /// Applies `epilogue` to a block of a result.
  static func applyEpilogue(
    _ epilogue: EpiloguePointers, to c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int)

  /// Columns of a panel of the left matrix of `multiplyTransposed`, a divisor of 256.
  static var leftPanelWidth: Int { get }

  /// Columns of a panel of the right matrix of `multiplyTransposed`, which has `columns`.
  static func rightPanelWidth(columns: Int) -> Int

  /// Packs `rows` rows of `columns` floats (a multiple of 8) in panels `[columns / width][capacity][width]`, padding
  /// the last panel with zeros.
  ///
  /// - Parameter other: if not nil, the matrix packed is `source + sign · other`.
  static func packRows(
    rows: Int, columns: Int, from source: UnsafePointer<Float>, plus sign: Float, times other: UnsafePointer<Float>?,
    rowStride: Int, width: Int, capacity: Int, into packed: UnsafeMutablePointer<Float>)

  /// `C += Aᵀ · B` over packed rows; see `MatrixProduct.multiplyTransposed`.
  static func multiplyTransposed(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int)

  // MARK: - GEMM of bfloat16 numbers
  // Both operands are rounded to bfloat16, sums are in single precision. The layout of a packed operand is the backend's:
  // pairs of depth where an instruction multiplies them, otherwise floats.

  /// Floats of memory of a rounded `depth` × `columns` matrix.
  static func roundedCount(depth: Int, columns: Int) -> Int

  /// Floats of workspace that `multiplyRounded` needs.
  static func roundedWorkspaceCount(depth: Int) -> Int

  /// Rounds and packs one panel, of `panelWidth` columns, of the matrix whose element (i, j) is
  /// `source[i * rowStride + j * columnStride]`.
  static func packRounded(
    panel: Int, depth: Int, columns: Int, from source: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>)

  /// `C = A · B` and then the epilogue. C and the residual have one precision. An odd depth reads one number more of
  /// each row of A, which must be finite.
  static func multiplyRounded(
    rows: Int, columns: Range<Int>, _ a: Elements<BFloat16>, aStride: Int, _ b: RoundedB, into c: ElementPointer,
    cStride: Int, epilogue: EpiloguePointers?, workspace: UnsafeMutablePointer<Float>)

  /// Packs rows for `multiplyTransposedRounded`, as `packRows` does.
  ///
  /// - Parameter capacity: rows that a panel has room for; even.
  static func packRoundedRows(
    rows: Int, columns: Int, from source: Elements<BFloat16>, rowStride: Int, width: Int, capacity: Int,
    into packed: UnsafeMutablePointer<Float>)

  /// `C += Aᵀ · B` over packed rows; see `multiplyTransposed`.
  ///
  /// A panel takes `capacity · width` floats of memory, or half as many where it holds pairs; those of an operand are
  /// contiguous.
  static func multiplyTransposedRounded(
    rows: Int, leftColumns: Int, rightColumns: Int, left: UnsafePointer<Float>, right: UnsafePointer<Float>,
    capacity: Int, into c: UnsafeMutablePointer<Float>, cStride: Int)

  // MARK: - Winograd

  /// Floats of workspace that the transform of a tile needs.
  static var tileWorkspaceCount: Int { get }

  /// Bᵀ x B of a tile, all channels.
  static func transformInput(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>)

  /// A dy Aᵀ of a tile, all channels.
  static func transformGradient(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>)

  /// Aᵀ m A of a tile, all channels, written to the rows and columns of the patch that lie in the image.
  ///
  /// - Parameters:
  ///   - products: product p of the channels is at `products + p · product`.
  ///   - epilogue: its residual has the layout of the image and begins at the tile.
  static func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to patch: TilePatch, channels: Int, epilogue: EpiloguePointers?, workspace: UnsafeMutablePointer<Float>)

  /// G w Gᵀ of `width` adjacent outputs (a multiple of 8) of one input.
  ///
  /// - Parameters:
  ///   - tap: floats from tap to tap, nine of them.
  ///   - product: floats from product to product.
  ///   - nonTemporal: whether to use non-temporal stores; all places must then be multiples of 16 floats.
  static func transformFilter(
    _ taps: UnsafePointer<Float>, tap: Int, width: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: UnsafeMutablePointer<Float>, product: Int, nonTemporal: Bool,
    workspace: UnsafeMutablePointer<Float>)

  /// Gᵀ du G of eight adjacent outputs of one input: nine vectors of eight.
  static func transformFilterGradient(
    _ du: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to taps: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>)

  // MARK: - Batch norm

  /// Adds the deviations of each column from `pivot` to `sum` and their squares to `squares`.
  static func addDeviations(
    _ values: ElementPointer, rows: Int, width: Int, from pivot: UnsafePointer<Float>,
    to sum: UnsafeMutablePointer<Float>, _ squares: UnsafeMutablePointer<Float>)

  /// `z · scale + shift (+ residual)`, followed by ReLU if `relu`.
  ///
  /// - Parameter nonTemporal: whether to write floats with non-temporal stores; y must then be aligned to 64 bytes.
  static func normalize(
    _ z: ElementPointer, rows: Int, width: Int, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: ElementPointer?, relu: Bool, into y: ElementPointer, nonTemporal: Bool)

  /// Adds the gradients g that `mask` passes to `sum`, and g · (z − mean) to `product`.
  ///
  /// - Parameter masked: if not nil, receives g; `mask` is then an output.
  static func addBatchNormGradientSums(
    _ dy: ElementPointer, _ z: ElementPointer, rows: Int, width: Int, _ channels: NormalizerPointers,
    mask: ReLUMask<ElementPointer>, masked: ElementPointer?,
    to sum: UnsafeMutablePointer<Float>, _ product: UnsafeMutablePointer<Float>)

  /// `g · scale + (z − mean) · slope + offset` for the gradients g that `mask` passes.
  static func batchNormInputGradient(
    _ dy: ElementPointer, _ z: ElementPointer, rows: Int, width: Int, _ channels: NormalizerPointers,
    slope: UnsafePointer<Float>, offset: UnsafePointer<Float>, mask: ReLUMask<ElementPointer>, into dz: ElementPointer)

  // MARK: - Rows

  /// Adds each row to `sums`.
  static func addRows(_ values: ElementPointer, rows: Int, width: Int, to sums: UnsafeMutablePointer<Float>)

  /// Adds each row times its number in `factors` to `sums`.
  static func addRows(
    _ values: ElementPointer, rows: Int, width: Int, times factors: UnsafePointer<Float>,
    to sums: UnsafeMutablePointer<Float>)

  /// The dot product of each row with `weights`, plus `offset`.
  static func dot(
    _ values: ElementPointer, rows: Int, width: Int, _ weights: UnsafePointer<Float>, plus offset: Float,
    into result: UnsafeMutablePointer<Float>)

  /// Each of `values` times the row `weights`, plus the row `bias`.
  static func outerProduct(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, _ weights: UnsafePointer<Float>,
    plus bias: UnsafePointer<Float>, into result: ElementPointer)

  /// Each row times 1 + its number in `attention`.
  static func gate(
    _ feature: ElementPointer, rows: Int, width: Int, by attention: UnsafePointer<Float>, into result: ElementPointer)

  /// The gradients of `gate`: `dy · (1 + attention)`, and Σ dy · feature of each row.
  static func gateGradient(
    _ dy: ElementPointer, _ feature: ElementPointer, rows: Int, width: Int, by attention: UnsafePointer<Float>,
    feature featureGradient: ElementPointer, attention attentionGradient: UnsafeMutablePointer<Float>)

  // MARK: - Elementwise (`count` is rounded up to whole vectors of 8)

  /// `sum += summand`
  static func add(_ summand: ElementPointer, to sum: ElementPointer, count: Int)

  /// `sum = a · left + b · right`, for `rows` rows of `columns` floats each.
  static func linearCombination(
    rows: Int, columns: Int, _ a: Float, _ left: UnsafePointer<Float>, _ leftStride: Int, _ b: Float,
    _ right: UnsafePointer<Float>, _ rightStride: Int, into sum: UnsafeMutablePointer<Float>, _ sumStride: Int)

  /// `max(x, 0)`
  static func relu(_ x: ElementPointer, into y: ElementPointer, count: Int)

  /// `dy` where `y` is positive, else 0; `dx` may be `dy`.
  static func reluGradient(
    _ dy: ElementPointer, where y: ElementPointer, into dx: ElementPointer, count: Int)

  /// The same numbers in another precision, rounded if it is less.
  static func convert(_ source: ElementPointer, to target: ElementPointer, count: Int)

  /// An SGD step; see `SGDKernel`. `count` is exact.
  ///
  /// - Returns: whether all new weights are finite.
  static func sgdStep(
    _ w: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>, count: Int,
    gradientScale: Float, learningRate: Float, momentum: Float, weightDecay: Float
  ) -> Bool

  /// The sum of squares, in double precision; not finite exactly if a number is not. `count` is exact.
  static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double

  /// Linear interpolation, `low + fraction · (high − low)`.
  static func lerp(
    _ low: ElementPointer, _ high: ElementPointer, fraction: Float, into result: ElementPointer, count: Int)

  /// The sum of `terms` runs of numbers, `step` numbers from one to the next, each times its weight.
  static func weightedSum(
    _ source: ElementPointer, step: Int, weights: UnsafePointer<Float>, terms: Int, into result: ElementPointer,
    count: Int)
}

/// The same for floats.
extension MicrokernelSet {
  package static func addRows(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, to sums: UnsafeMutablePointer<Float>
  ) {
    addRows(ElementPointer(values), rows: rows, width: width, to: sums)
  }

  package static func add(_ summand: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int) {
    add(ElementPointer(summand), to: ElementPointer(sum), count: count)
  }

  package static func lerp(
    _ low: UnsafePointer<Float>, _ high: UnsafePointer<Float>, fraction: Float,
    into result: UnsafeMutablePointer<Float>, count: Int
  ) {
    lerp(
      ElementPointer(low), ElementPointer(high), fraction: fraction, into: ElementPointer(result), count: count)
  }
}
