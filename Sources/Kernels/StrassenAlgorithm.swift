/// A product of matrices split into quarters, with seven multiplications of quarters instead of eight (Strassen 1969):
///
///     M₁ = (A₁₁ + A₂₂)(B₁₁ + B₂₂)    M₂ = (A₂₁ + A₂₂) B₁₁    M₃ = A₁₁ (B₁₂ − B₂₂)    M₄ = A₂₂ (B₂₁ − B₁₁)
///     M₅ = (A₁₁ + A₁₂) B₂₂           M₆ = (A₂₁ − A₁₁)(B₁₁ + B₁₂)                      M₇ = (A₁₂ − A₂₂)(B₂₁ + B₂₂)
///
///     C₁₁ = M₁ + M₄ − M₅ + M₇    C₁₂ = M₃ + M₅    C₂₁ = M₂ + M₄    C₂₂ = M₁ − M₂ + M₃ + M₆
///
/// Applied once (not recursively), to large products only. Quarters are added while they are packed. The error is
/// bounded by norms, not per element (Higham, "Accuracy and Stability of Numerical Algorithms", §23.2.2); on random
/// data it is two to three times that of the ordinary product, which tests check.
enum StrassenAlgorithm {
  /// A quarter of a matrix: upper or lower rows, left or right columns.
  enum Quarter: Int {
    case upperLeft, upperRight, lowerLeft, lowerRight

    var row: Int { rawValue / 2 }
    var column: Int { rawValue % 2 }
  }

  /// A sum of one or two quarters.
  struct Sum {
    let first: Quarter
    let sign: Float
    let second: Quarter?

    init(_ first: Quarter, _ sign: Float = 0, _ second: Quarter? = nil) {
      self.first = first
      self.sign = sign
      self.second = second
    }
  }

  /// One of the seven multiplications, and the quarters of C it is added to.
  struct Product {
    let a: Sum
    let b: Sum
    /// Quarters of C with the sign of the product; `isFirst` if the quarter has not been written before.
    let targets: [(quarter: Quarter, sign: Float, isFirst: Bool)]
  }

  static let products: [Product] = [
    Product(
      a: Sum(.upperLeft, 1, .lowerRight), b: Sum(.upperLeft, 1, .lowerRight),
      targets: [(.upperLeft, 1, true), (.lowerRight, 1, true)]),
    Product(
      a: Sum(.lowerLeft, 1, .lowerRight), b: Sum(.upperLeft),
      targets: [(.lowerLeft, 1, true), (.lowerRight, -1, false)]),
    Product(
      a: Sum(.upperLeft), b: Sum(.upperRight, -1, .lowerRight),
      targets: [(.upperRight, 1, true), (.lowerRight, 1, false)]),
    Product(
      a: Sum(.lowerRight), b: Sum(.lowerLeft, -1, .upperLeft),
      targets: [(.upperLeft, 1, false), (.lowerLeft, 1, false)]),
    Product(
      a: Sum(.upperLeft, 1, .upperRight), b: Sum(.lowerRight),
      targets: [(.upperLeft, -1, false), (.upperRight, 1, false)]),
    Product(
      a: Sum(.lowerLeft, -1, .upperLeft), b: Sum(.upperLeft, 1, .upperRight), targets: [(.lowerRight, 1, false)]),
    Product(
      a: Sum(.upperRight, -1, .lowerRight), b: Sum(.lowerLeft, 1, .lowerRight), targets: [(.upperLeft, 1, false)]),
  ]
}
