import Tensors

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
enum WinogradAlgorithm: Sendable {
  /// A line of one pixel: only the middle tap ever meets it.
  case one
  /// A line of two pixels between zeros: three multiplications, without division and so without loss.
  case two
  /// F(3, 3) at the points 0, 1, −1, 2, ∞.
  case three
  /// F(4, 3) at the points 0, ±1, ±2, ∞.
  case four
  /// F(6, 3) at the points 0, ±1, ±2, ±1/2, ∞.
  case six

  /// The algorithm for a line of `length` pixels between zeros.
  ///
  /// Short lines, as dilation makes them, are one piece each. Longer ones are cut into pieces of four: six would
  /// take fewer multiplications, but loses a decimal digit more, which is not to be had everywhere.
  init(length: Int) {
    switch length {
    case 1: self = .one
    case 2: self = .two
    case 3: self = .three
    case 5, 6: self = .six
    default: self = .four
    }
  }

  /// Outputs of a piece, m.
  var outputs: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .three: 3
    case .four: 4
    case .six: 6
    }
  }

  /// Inputs that a piece looks at.
  var inputs: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .three: 5
    case .four: 6
    case .six: 8
    }
  }

  /// Multiplications, α.
  var products: Int {
    switch self {
    case .one: 1
    case .two: 3
    case .three: 5
    case .four: 6
    case .six: 8
    }
  }

  /// Pixels from the first input to the first output.
  var reach: Int {
    switch self {
    case .one, .two: 0
    case .three, .four, .six: 1
    }
  }

  /// The taps that ever meet a pixel: the others have no gradient.
  var taps: Range<Int> { self == .one ? 1..<2 : 0..<3 }

  /// The largest number of inputs or products of any algorithm.
  static let largest = 8
}

// MARK: - One-dimensional maps, on eight channels at once

extension WinogradAlgorithm {
  /// The maps take vectors of eight channels that lie `from` floats apart and write them `to` floats apart.
  typealias Source = UnsafePointer<Float>
  typealias Target = UnsafeMutablePointer<Float>

  /// Bᵀ: `inputs` vectors to `products`.
  @inline(__always)
  func transformInput(_ x: Source, _ from: Int, _ v: Target, _ to: Int) {
    switch self {
    case .one: v.store(x.vector())
    case .two: TwoOutputs.input(x, from, v, to)
    case .three: ThreeOutputs.input(x, from, v, to)
    case .four: FourOutputs.input(x, from, v, to)
    case .six: SixOutputs.input(x, from, v, to)
    }
  }

  /// Aᵀ: `products` vectors to the first `count` of `outputs`.
  @inline(__always)
  func transformOutput(_ m: Source, _ from: Int, _ y: Target, _ to: Int, _ count: Int) {
    switch self {
    case .one: y.store(m.vector())
    case .two: TwoOutputs.output(m, from, y, to, count)
    case .three: ThreeOutputs.output(m, from, y, to, count)
    case .four: FourOutputs.output(m, from, y, to, count)
    case .six: SixOutputs.output(m, from, y, to, count)
    }
  }

  /// A: `outputs` vectors of a gradient to `products`.
  @inline(__always)
  func transformGradient(_ dy: Source, _ from: Int, _ z: Target, _ to: Int) {
    switch self {
    case .one: z.store(dy.vector())
    case .two: TwoOutputs.gradient(dy, from, z, to)
    case .three: ThreeOutputs.gradient(dy, from, z, to)
    case .four: FourOutputs.gradient(dy, from, z, to)
    case .six: SixOutputs.gradient(dy, from, z, to)
    }
  }

  /// G: three vectors to `products`.
  @inline(__always)
  func transformFilter(_ w: Source, _ from: Int, _ u: Target, _ to: Int) {
    let w0 = w.vector()
    let w1 = w.vector(from)
    let w2 = w.vector(2 * from)
    switch self {
    case .one: u.store(w1)
    case .two: TwoOutputs.filter(w0, w1, w2, u, to)
    case .three: ThreeOutputs.filter(w0, w1, w2, u, to)
    case .four: FourOutputs.filter(w0, w1, w2, u, to)
    case .six: SixOutputs.filter(w0, w1, w2, u, to)
    }
  }

  /// Gᵀ: `products` vectors to three.
  @inline(__always)
  func transformFilterGradient(_ du: Source, _ from: Int, _ dw: Target, _ to: Int) {
    let taps: (Vector, Vector, Vector)
    switch self {
    case .one: taps = (Vector(), du.vector(), Vector())
    case .two: taps = TwoOutputs.filterGradient(du, from)
    case .three: taps = ThreeOutputs.filterGradient(du, from)
    case .four: taps = FourOutputs.filterGradient(du, from)
    case .six: taps = SixOutputs.filterGradient(du, from)
    }
    dw.store(taps.0)
    dw.store(taps.1, to)
    dw.store(taps.2, 2 * to)
  }
}
