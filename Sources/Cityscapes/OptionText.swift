import System

/// A value of an option that is also stored as the text that the command line accepts for it.
package protocol TextOption: Codable, Sendable, Equatable, CustomStringConvertible {
  /// - Parameter text: may be what `description` gives, from which the same value results.
  init(parsing text: String) throws(OptionTextError)
}

extension TextOption {
  package init(from decoder: any Decoder) throws {
    try self.init(parsing: decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// A text that is no value of an option: what to give instead.
package struct OptionTextError: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// The parts that the texts of several options have in common.
enum OptionText {
  static func number(_ text: some StringProtocol, in range: ClosedRange<Double>) -> Double? {
    guard let number = Double(text), range.contains(number) else { return nil }
    return number
  }

  /// Parses text like 0.5..2.
  static func range(_ text: some StringProtocol, in range: ClosedRange<Double>) -> (low: Double, high: Double)? {
    // 0.5...2 would be read as the range from 0.5 to 0.2.
    guard !text.contains("...") else { return nil }
    let ends = text.split(separator: "..", omittingEmptySubsequences: false)
    guard ends.count == 2, let low = number(ends[0], in: range), let high = number(ends[1], in: range), low <= high
    else { return nil }
    return (low, high)
  }

  /// 2.0 → "2".
  static func plain(_ number: Double) -> String { "\(number)".withoutZeroFraction }
}
