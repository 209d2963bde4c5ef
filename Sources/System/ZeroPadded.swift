extension BinaryInteger {
  /// The digits of a number that is not negative, with leading zeros to at least `width` digits: 7 → "007".
  package func zeroPadded(to width: Int, radix: Int = 10) -> String {
    let digits = String(self, radix: radix)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
