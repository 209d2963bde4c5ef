extension String {
  /// Whether a name comes before another one when numbers in them count by their value: `frame_2.png` before
  /// `frame_10.png`. Names that differ in leading zeros alone are in the order of their bytes.
  package func naturallyPrecedes(_ other: String) -> Bool {
    var (own, theirs) = (utf8[...], other.utf8[...])
    while let first = own.first, let second = theirs.first {
      if first.isDigit, second.isDigit {
        let (number, otherNumber) = (Self.number(&own), Self.number(&theirs))
        if number.count != otherNumber.count { return number.count < otherNumber.count }
        if !number.elementsEqual(otherNumber) { return number.lexicographicallyPrecedes(otherNumber) }
      } else {
        if first != second { return first < second }
        own.removeFirst()
        theirs.removeFirst()
      }
    }
    if own.isEmpty != theirs.isEmpty { return own.isEmpty }
    return utf8.lexicographicallyPrecedes(other.utf8)
  }

  /// Takes the digits at the beginning; returns them without leading zeros.
  private static func number(_ text: inout Substring.UTF8View) -> Substring.UTF8View {
    let digits = text.prefix(while: \.isDigit)
    text = text[digits.endIndex...]
    return digits.drop { $0 == UInt8(ascii: "0") }
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
