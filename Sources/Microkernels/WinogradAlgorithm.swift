/// A minimal filtering algorithm F(m, 3) for m outputs of a one-dimensional convolution with three taps.
///
/// With the taps w, the outputs y_j = Σ_t w_t · x_{j+t−1} are
///
///     y = Aᵀ [ (G w) ⊙ (Bᵀ x) ]
///
/// where ⊙ is the elementwise product (Winograd 1980; Lavin and Gray, CVPR 2016). Since every map is linear, the
/// gradient of the taps for a gradient dy of the outputs is
///
///     dw = Gᵀ [ (Bᵀ x) ⊙ (A dy) ]
///
/// Nested along both axes of a tile, an algorithm with α multiplications for m outputs takes α² products for m² pixels
/// instead of 9 m². (Microkernels inline its members, which `@usableFromInline` permits.)
@usableFromInline package enum WinogradAlgorithm: Sendable {
  /// A line of one pixel: only the middle tap meets it.
  case f1x3
  /// A line of two pixels between zeros: three multiplications, without division and so without loss of precision.
  case f2x3
  /// A line of three pixels between zeros: four multiplications, one less than F(3, 3) takes with arbitrary neighbors.
  case f3x3
  /// F(4, 3) at the points 0, ±1, ±2, ∞.
  case f4x3
  /// F(6, 3) at the points 0, ±1, ±2, ±1/2, ∞.
  case f6x3

  /// The algorithm for a line of `length` pixels between zeros.
  ///
  /// Short lines, which dilation produces, are one tile each. Longer ones are cut into tiles of four outputs: six would
  /// take fewer multiplications but cost another decimal digit of precision, which not every layer can spare.
  package init(length: Int) {
    switch length {
    case 1: self = .f1x3
    case 2: self = .f2x3
    case 3: self = .f3x3
    case 5, 6: self = .f6x3
    default: self = .f4x3
    }
  }

  /// Outputs of a tile along the axis, m.
  package var outputs: Int { sizes.outputs }

  /// Inputs of a tile along the axis, the halo included.
  package var inputs: Int { sizes.inputs }

  /// Multiplications, α.
  package var products: Int { sizes.products }

  /// All three. Microkernels use it with a constant algorithm: inlined, it gives their loops constant bounds.
  @inlinable @inline(__always)
  package var sizes: (inputs: Int, outputs: Int, products: Int) {
    switch self {
    case .f1x3: (1, 1, 1)
    case .f2x3: (2, 2, 3)
    case .f3x3: (3, 3, 4)
    case .f4x3: (6, 4, 6)
    case .f6x3: (8, 6, 8)
    }
  }

  /// The halo: input pixels before the first output.
  package var halo: Int {
    switch self {
    case .f1x3, .f2x3, .f3x3: 0
    case .f4x3, .f6x3: 1
    }
  }

  /// The taps that meet a pixel; the others have no gradient.
  package var taps: Range<Int> { self == .f1x3 ? 1..<2 : 0..<3 }

  /// The largest number of inputs or products of any algorithm.
  @inlinable @inline(__always)
  package static var largest: Int { 8 }
}
