/// The right matrix of a product in the panels that `MicrokernelSet.pack` writes.
package struct PackedMatrix {
  package let start: UnsafePointer<Float>
  package let depth: Int
  /// A multiple of 8.
  package let columns: Int

  package init(_ start: UnsafePointer<Float>, depth: Int, columns: Int) {
    self.start = start
    self.depth = depth
    self.columns = columns
  }
}

/// What is done to the result of a convolution while it is still in the cache: `max(0, y + bias + residual)`.
package struct Finish {
  /// A number a column, whole vectors.
  package let bias: UnsafePointer<Float>?
  /// Lies as the result does.
  package let residual: UnsafePointer<Float>?
  package let relu: Bool

  package init(bias: UnsafePointer<Float>?, residual: UnsafePointer<Float>? = nil, relu: Bool = false) {
    self.bias = bias
    self.residual = residual
    self.relu = relu
  }

  /// For results that begin `columns` to the right and `floats` further on.
  package func moved(columns: Int, floats: Int) -> Finish {
    Finish(bias: bias.map { $0 + columns }, residual: residual.map { $0 + floats }, relu: relu)
  }
}

/// The pixels under a tile: those in `rows` × `columns` are in the image, the others count as zero.
package struct TilePatch {
  /// Of the first row and column, which may lie outside of the image.
  package let start: UnsafeMutablePointer<Float>
  /// FloatSlice from row to row and from column to column.
  package let row: Int
  package let column: Int
  package let rows: Range<Int>
  package let columns: Range<Int>
  /// Whether what is written here goes past the caches; pixels are then aligned to 64 bytes.
  package let streaming: Bool

  package init(
    start: UnsafeMutablePointer<Float>, row: Int, column: Int, rows: Range<Int>, columns: Range<Int>,
    streaming: Bool = false
  ) {
    self.start = start
    self.row = row
    self.column = column
    self.rows = rows
    self.columns = columns
    self.streaming = streaming
  }
}

/// Where the transformed channels of a tile go: product p of channel c lies at
/// `start + p · product + (c / width) · panel + c % width`.
package struct TileLayout {
  package let start: UnsafeMutablePointer<Float>
  package let product: Int
  /// A multiple of 8.
  package let width: Int
  package let panel: Int
  /// Whether to write past the caches; start, product, width and panel are then multiples of 16 floats.
  package let streaming: Bool

  package init(start: UnsafeMutablePointer<Float>, product: Int, width: Int, panel: Int, streaming: Bool = false) {
    self.start = start
    self.product = product
    self.width = width
    self.panel = panel
    self.streaming = streaming
  }
}

/// Rows of numbers, one a channel, that batch norm reads beside the pixels.
package struct NormalizerRows {
  package let scale: UnsafePointer<Float>
  package let shift: UnsafePointer<Float>
  package let mean: UnsafePointer<Float>

  package init(scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, mean: UnsafePointer<Float>) {
    self.scale = scale
    self.shift = shift
    self.mean = mean
  }
}

/// Which gradients pass a ReLU on the backward pass.
package enum GradientMask {
  /// All.
  case all
  /// Those where `z · scale + shift` is positive.
  case recomputed
  /// Those where this output is positive.
  case output(UnsafePointer<Float>)
  /// The same; those that pass (and zeros) are written down as well.
  case outputWriting(UnsafePointer<Float>, to: UnsafeMutablePointer<Float>)
}
