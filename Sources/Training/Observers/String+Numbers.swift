import Foundation

/// Numbers that may be NaN, whose sign C prints.
extension String {
  /// With nine digits: enough for a float.
  init(number: Double) { self = number.isNaN ? "nan" : String(format: "%.9g", number) }

  /// A loss; that of a training that diverges may have many digits.
  package init(loss: Double) {
    self = loss.isNaN ? "nan" : String(format: abs(loss) < 1e5 ? "%.4f" : "%.3g", loss)
  }
}
