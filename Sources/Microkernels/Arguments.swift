/// The right matrix B of a product, packed in panels as `MicrokernelSet.pack` writes them.
package struct PackedB {
  package let start: UnsafePointer<Float>
  /// Rows of B.
  package let depth: Int
  /// Columns of B, a multiple of 8.
  package let columns: Int

  package init(_ start: UnsafePointer<Float>, depth: Int, columns: Int) {
    self.start = start
    self.depth = depth
    self.columns = columns
  }
}

/// The right matrix B of a bfloat16 product, rounded and packed as `MicrokernelSet.packRounded` writes it.
package struct RoundedB {
  package let start: UnsafePointer<Float>
  /// Rows of B.
  package let depth: Int
  /// Columns of B, a multiple of 8.
  package let columns: Int

  package init(_ start: UnsafePointer<Float>, depth: Int, columns: Int) {
    self.start = start
    self.depth = depth
    self.columns = columns
  }
}

/// The epilogue of a convolution or GEMM for one block of the result: `max(0, y + bias + residual)`, computed while y
/// is in the cache. (`Epilogue` in `Kernels` is the same for a whole tensor.)
package struct EpiloguePointers {
  /// One number per column, whole vectors.
  package let bias: UnsafePointer<Float>?
  /// Has the layout of the result.
  package let residual: ElementPointer?
  package let relu: Bool

  package init(bias: UnsafePointer<Float>?, residual: ElementPointer? = nil, relu: Bool = false) {
    self.bias = bias
    self.residual = residual
    self.relu = relu
  }

  /// The epilogue of the block that begins `columns` columns to the right and `elements` numbers further on.
  package func advanced(columns: Int, elements: Int) -> EpiloguePointers {
    EpiloguePointers(bias: bias.map { $0 + columns }, residual: residual.map { $0 + elements }, relu: relu)
  }
}

/// The pixels under a Winograd tile: those in `rows` × `columns` are in the image, the others count as zero.
package struct TilePatch {
  /// The pixel at row and column 0 of the tile, which may lie outside of the image.
  package let start: ElementPointer
  /// Numbers from row to row.
  package let row: Int
  /// Numbers from column to column.
  package let column: Int
  package let rows: Range<Int>
  package let columns: Range<Int>
  /// Whether output pixels, if floats, are written with non-temporal stores; they must then be aligned to 64 bytes.
  package let nonTemporal: Bool

  package init(
    start: ElementPointer, row: Int, column: Int, rows: Range<Int>, columns: Range<Int>,
    nonTemporal: Bool = false
  ) {
    self.start = start
    self.row = row
    self.column = column
    self.rows = rows
    self.columns = columns
    self.nonTemporal = nonTemporal
  }
}

/// Where the transformed channels of a tile are written: channel c of product p goes to
/// `start + p · product + (c / width) · panel + c % width`.
package struct TileLayout {
  package let start: UnsafeMutablePointer<Float>
  /// Floats from product to product.
  package let product: Int
  /// Channels of a panel, a multiple of 8.
  package let width: Int
  /// Floats from panel to panel.
  package let panel: Int
  /// Whether to use non-temporal stores; `start`, `product`, `width` and `panel` must then be multiples of 16 floats.
  package let nonTemporal: Bool

  package init(start: UnsafeMutablePointer<Float>, product: Int, width: Int, panel: Int, nonTemporal: Bool = false) {
    self.start = start
    self.product = product
    self.width = width
    self.panel = panel
    self.nonTemporal = nonTemporal
  }
}

/// Rows of numbers, one per channel, of a batch norm `y = z · scale + shift` with the given mean of z.
package struct NormalizerPointers {
  package let scale: UnsafePointer<Float>
  package let shift: UnsafePointer<Float>
  package let mean: UnsafePointer<Float>

  package init(scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, mean: UnsafePointer<Float>) {
    self.scale = scale
    self.shift = shift
    self.mean = mean
  }
}

/// Which gradients a ReLU after a batch norm passes in the backward pass. `Output` is a tensor in `Kernels` and a
/// pointer to the same place in the microkernels.
@usableFromInline package enum ReLUMask<Output> {
  /// All: there was no ReLU, or the gradient is masked already.
  case none
  /// Those where `z · scale + shift`, recomputed from z, is positive: the ReLU follows the batch norm directly.
  case recomputed
  /// Those where this output of the ReLU is positive: the ReLU follows the sum with a shortcut.
  case output(Output)

  /// The same mask with another representation of the output.
  @inlinable @inline(__always)
  package func map<Other>(_ transform: (Output) -> Other) -> ReLUMask<Other> {
    switch self {
    case .none: .none
    case .recomputed: .recomputed
    case .output(let output): .output(transform(output))
    }
  }
}

extension ReLUMask: Sendable where Output: Sendable {}
