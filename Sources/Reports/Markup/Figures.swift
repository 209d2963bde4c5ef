import Foundation
import System

/// Numbers as people read them.
package enum Figures {
  /// 0.63931 → "63.93 %", with a narrow space that does not break.
  package static func percent(_ fraction: Double?, digits: Int = 2) -> String {
    guard let fraction else { return "–" }
    guard fraction.isFinite else { return number(fraction) }
    return String(format: "%.\(digits)f", 100 * fraction) + "\u{202F}%"
  }

  /// 0.63931 → "63.93", for a column whose heading says that it is in percent.
  package static func percentNumber(_ fraction: Double?) -> String {
    guard let fraction, fraction.isFinite else { return percent(fraction) }
    return String(format: "%.2f", 100 * fraction)
  }

  /// A difference of two fractions in percentage points: "+1.25", "−0.50".
  package static func points(_ difference: Double?) -> String {
    guard let difference, difference.isFinite else { return "–" }
    let text = String(format: "%.2f", abs(100 * difference))
    return text == "0.00" ? "0.00" : (difference < 0 ? "−" : "+") + text
  }

  /// Four significant digits: 0.01, 12.35, 1.2e-05.
  package static func number(_ value: Double?) -> String {
    guard let value else { return "–" }
    if value.isNaN { return "not a number" }
    if value.isInfinite { return value < 0 ? "−∞" : "∞" }
    return String(format: abs(value) < 1e15 && value == value.rounded() ? "%.0f" : "%.4g", value)
      .replacingOccurrences(of: "-", with: "−")
  }

  /// 1234567 → "1 234 567", with narrow spaces that do not break.
  package static func count(_ value: some BinaryInteger) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "\u{202F}" }
      text.append(digit)
    }
    return (value < 0 ? "−" : "") + text
  }

  /// "1 image", "2 images".
  package static func count(_ value: some BinaryInteger, _ noun: String) -> String {
    "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
  }

  /// "3.2 s", "12 min 5 s", "5 h 12 min", "3 d 4 h", with spaces that do not break.
  package static func duration(_ seconds: Double) -> String {
    breakableDuration(seconds).replacingOccurrences(of: " ", with: "\u{A0}")
  }

  private static func breakableDuration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return number(seconds) }
    if seconds < 0.9995 { return String(format: "%.0f ms", seconds * 1000) }
    if seconds < 9.995 { return String(format: "%.2f s", seconds) }
    if seconds < 59.95 { return String(format: "%.1f s", seconds) }
    let whole = Int(seconds.rounded())
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    return hours > 0 ? "\(hours) h \(minutes) min" : "\(minutes) min \(whole % 60) s"
  }

  /// The shortest text of a number for an attribute that a program reads.
  package static func exact(_ value: Double) -> String { "\(value)".withoutZeroFraction }
}
