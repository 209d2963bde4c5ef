/// A minimal algorithm for a short piece of a one-dimensional convolution with three taps.
///
/// With the taps w, the outputs y_j = Σ_t w_t · x_{j+t−1} of one piece are
///
///     y = Aᵀ [ (G w) ⊙ (Bᵀ x) ]
///
/// where ⊙ multiplies element by element (Winograd 1980; Lavin and Gray, CVPR 2016). Since every map is linear, the
/// gradient of the taps for a gradient dy of the outputs is
///
///     dw = Gᵀ [ (Bᵀ x) ⊙ (A dy) ]
///
/// Used along both axes of a tile, an algorithm with α multiplications for m outputs takes α² products for m² pixels,
/// instead of 9 m².
package enum WinogradAlgorithm: Sendable {
  /// A line of one pixel: only the middle tap ever meets it.
  case one
  /// A line of two pixels between zeros: three multiplications, without division and so without loss.
  case two
  /// A line of three pixels between zeros: four multiplications, one less than F(3, 3) takes with any neighbors.
  case three
  /// F(4, 3) at the points 0, ±1, ±2, ∞.
  case four
  /// F(6, 3) at the points 0, ±1, ±2, ±1/2, ∞.
  case six

  /// The algorithm for a line of `length` pixels between zeros.
  ///
  /// Short lines, as dilation makes them, are one piece each. Longer ones are cut into pieces of four: six would
  /// take fewer multiplications, but loses a decimal digit more, which is not to be had everywhere.
  package init(length: Int) {
    switch length {
    case 1: self = .one
    case 2: self = .two
    case 3: self = .three
    case 5, 6: self = .six
    default: self = .four
    }
  }

  /// Outputs of a piece, m.
  package var outputs: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .three: 3
    case .four: 4
    case .six: 6
    }
  }

  /// Inputs that a piece looks at.
  package var inputs: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .three: 3
    case .four: 6
    case .six: 8
    }
  }

  /// Multiplications, α.
  package var products: Int {
    switch self {
    case .one: 1
    case .two: 3
    case .three: 4
    case .four: 6
    case .six: 8
    }
  }

  /// Pixels from the first input to the first output.
  package var reach: Int {
    switch self {
    case .one, .two, .three: 0
    case .four, .six: 1
    }
  }

  /// The taps that ever meet a pixel: the others have no gradient.
  package var taps: Range<Int> { self == .one ? 1..<2 : 0..<3 }

  /// The largest number of inputs or products of any algorithm.
  package static let largest = 8
}
