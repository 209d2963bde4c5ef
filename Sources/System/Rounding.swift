extension Int {
  /// `⌈self / divisor⌉`, for a count that is not negative: how many chunks of `divisor` elements cover `self` elements.
  @inlinable @inline(__always)
  package func dividedRoundingUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }

  /// The smallest multiple of `unit` that is not less than `self`, for a count that is not negative.
  @inlinable @inline(__always)
  package func roundedUp(toMultipleOf unit: Int) -> Int { dividedRoundingUp(by: unit) * unit }
}
