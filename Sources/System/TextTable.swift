/// A table of text with columns that are aligned to the right, but for the first.
package struct TextTable {
  private let rows: [[String]]

  /// - Parameter rows: the head first; all of the same length.
  package init(_ rows: [[String]]) { self.rows = rows }

  /// The lines, without the last columns if they are wider than `columns`.
  package func lines(columns: Int = .max) -> [String] {
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    var (kept, width) = (0, 0)
    for (column, own) in widths.enumerated() {
      let wider = width + own + (column > 0 ? 2 : 0)
      guard wider <= columns else { break }
      (kept, width) = (column + 1, wider)
    }
    return rows.map { row in
      let cells = row.prefix(kept).enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + padding : padding + cell
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}
