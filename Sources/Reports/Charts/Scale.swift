import Foundation

/// The range of an axis, with round numbers at which it has ticks.
struct Scale: Equatable {
  let range: ClosedRange<Double>
  let ticks: [Double]

  /// - Parameters:
  ///   - values: finite ones count.
  ///   - includingZero: whether the axis begins at 0 if all values are on one side of it.
  ///   - extending: whether the range ends at ticks; otherwise it is that of the values.
  ///   - count: ticks at most, about.
  ///   - smallestStep: between ticks.
  init(
    _ values: some Sequence<Double>, includingZero: Bool = false, extending: Bool = true, ticks count: Int = 5,
    smallestStep: Double = 0
  ) {
    var (low, high) = (Double.infinity, -Double.infinity)
    for value in values where value.isFinite && abs(value) < 1e300 { (low, high) = (min(low, value), max(high, value)) }
    if low > high { (low, high) = (0, 1) }
    if includingZero { (low, high) = (min(low, 0), max(high, 0)) }
    if high - low <= abs(high) * 1e-12 {
      guard extending else {
        (range, ticks) = (low - 1...low + 1, [low])
        return
      }
      // One value: in the middle of the axis.
      let margin = high == 0 ? 1 : abs(high) / 2
      (low, high) = (includingZero && low == 0 ? 0 : low - margin, high + margin)
    }
    let step = max(Self.roundStep((high - low) / Double(max(count - 1, 1))), smallestStep)
    let (first, last) = ((low / step).rounded(extending ? .down : .up), (high / step).rounded(extending ? .up : .down))
    ticks = first <= last ? stride(from: first, through: last, by: 1).map { $0 * step } : [low]
    range = extending ? ticks[0]...ticks[ticks.count - 1] : low...high
  }

  /// The least of 1, 2, 2.5, 5 times a power of ten that is not less than `step`.
  private static func roundStep(_ step: Double) -> Double {
    let power = pow(10, floor(log10(step)))
    let factor = [1, 2, 2.5, 5].first { $0 * power >= step * (1 - 1e-9) } ?? 10
    return factor * power
  }

  /// Where a value lies: 0 at the beginning of the axis, 1 at its end.
  func position(_ value: Double) -> Double {
    let length = range.upperBound - range.lowerBound
    return length > 0 ? min(max((value - range.lowerBound) / length, 0), 1) : 0.5
  }
}
