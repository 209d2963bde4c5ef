/// A table of fractions in percent: a name, then columns of equal width.
struct PercentTable {
  private(set) var lines: [String] = []
  private let nameWidth: Int
  private let columnWidth = 7

  /// - Parameter nameWidth: longer names push their columns to the right.
  init(nameWidth: Int = 16) { self.nameWidth = nameWidth }

  /// Names of columns.
  mutating func header(_ name: String, _ columns: [String]) { append(name, columns) }

  mutating func emptyLine() { lines.append("") }

  /// Fractions 0 … 1; a dash for nil.
  mutating func row(_ name: String, _ values: [Double?]) { append(name, values.map(Self.percent)) }

  private mutating func append(_ name: String, _ cells: [String]) {
    let cells = cells.map { String(repeating: " ", count: max(columnWidth - $0.count, 0)) + $0 }
    lines.append(name + String(repeating: " ", count: max(nameWidth - name.count, 1)) + cells.joined(separator: "  "))
  }

  private static func percent(_ value: Double?) -> String {
    guard let value else { return "–" }
    let hundredths = Int((value * 10000).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
  }
}
