/// A CSV file (RFC 4180) with a line of column names. Lines that do not have a value for each column are left out and
/// counted: a running or killed training leaves the last one unfinished.
package struct CSVTable: Sendable, Equatable {
  package let columns: [String]
  package private(set) var rows: [[String]] = []
  /// Lines that are left out, without the unfinished last one.
  package private(set) var damaged = 0
  /// Whether the last line has no end and is left out.
  package private(set) var isTorn = false

  /// - Returns: nil if there is no whole first line.
  package init?(_ bytes: some Sequence<UInt8>) {
    var header: [String]?
    var unreadable = 0
    var lines: [[String]] = []
    var (line, field) = ([String](), [UInt8]())
    var (isQuoted, wasQuoted, isText) = (false, false, true)

    func endField() {
      if let text = String(validating: field, as: UTF8.self) { line.append(text) } else { isText = false }
      field.removeAll(keepingCapacity: true)
      wasQuoted = false
    }
    func endLine() {
      endField()
      defer { (line, isText) = ([], true) }
      guard isText, line != [""] else { return unreadable += isText ? 0 : 1 }
      if header == nil { header = line } else { lines.append(line) }
    }
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\"") where isQuoted: (isQuoted, wasQuoted) = (false, true)
      case UInt8(ascii: "\"") where field.isEmpty && !wasQuoted: isQuoted = true
      case UInt8(ascii: "\"") where wasQuoted:
        // Two quotes are one.
        field.append(byte)
        (isQuoted, wasQuoted) = (true, false)
      case _ where isQuoted: field.append(byte)
      case UInt8(ascii: ","): endField()
      case UInt8(ascii: "\n"): endLine()
      case UInt8(ascii: "\r"): break
      default: field.append(byte)
      }
    }
    guard let header else { return nil }
    isTorn = isQuoted || !field.isEmpty || !line.isEmpty
    columns = header
    rows = lines.filter { $0.count == header.count }
    damaged = unreadable + lines.count - rows.count
  }

  package func index(_ column: String) -> Int? { columns.firstIndex(of: column) }

  /// The values of a column; nil where there is none, or no number. Nil if there is no such column.
  package func numbers(_ column: String) -> [Double?]? {
    index(column).map { index in rows.map { Double($0[index]) } }
  }

  /// The rows whose columns `integers` hold numbers from 1 to a billion; the others count as damaged.
  package func requiring(integers: [String]) -> CSVTable? {
    let indices = integers.compactMap(index)
    guard indices.count == integers.count else { return nil }
    var table = self
    table.rows = rows.filter { row in indices.allSatisfy { (1...1_000_000_000).contains(Int(row[$0]) ?? 0) } }
    table.damaged += rows.count - table.rows.count
    return table
  }
}
