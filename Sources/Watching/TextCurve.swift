import Foundation

/// A curve drawn with the cells of a terminal: braille, of two by four dots a cell, or ASCII, of one by two.
struct TextCurve {
  /// From left to right; nil where there is no value.
  let values: [Double?]
  let isUTF8: Bool

  /// Draws into a rectangle.
  ///
  /// - Parameters:
  ///   - columns: at least 12, the labels of the axis included.
  ///   - rows: at least 2.
  ///   - label: the text of a value of the axis.
  /// - Returns: `rows` lines of at most `columns` characters; none if no value is finite.
  func lines(columns: Int, rows: Int, label: (Double) -> String) -> [String] {
    let finite = values.compactMap { $0.flatMap { $0.isFinite ? $0 : nil } }
    guard let low = finite.min(), let high = finite.max() else { return [] }
    let labels = (top: label(high), bottom: label(low))
    let gutter = max(labels.top.count, labels.bottom.count) + 1
    let cells = max(1, columns - gutter)
    let (across, down) = isUTF8 ? (2, 4) : (1, 2)
    var dots = Dots(width: cells * across, height: rows * down)
    var last: Int?
    for (x, value) in resampled(to: dots.width).enumerated() {
      guard let value else { continue }
      // A flat curve is drawn in the middle.
      let share = high > low ? (value - low) / (high - low) : 0.5
      let y = Int(((1 - share) * Double(dots.height - 1)).rounded())
      // Steep parts have no gaps.
      let from = last.map { $0 < y ? min($0 + 1, y) : max($0 - 1, y) } ?? y
      for between in min(from, y)...max(from, y) { dots.set(x, between) }
      last = y
    }
    return (0..<rows).map { row in
      let label = row == 0 ? labels.top : row == rows - 1 && high > low ? labels.bottom : ""
      let text = (0..<cells).map { dots.cell(column: $0, row: row, isBraille: isUTF8) }
      let line = String(repeating: " ", count: gutter - 1 - label.count) + label + " " + String(text)
      return String(line.reversed().drop { $0 == " " || $0 == "\u{2800}" }.reversed())
    }
  }

  /// One value for each column of dots: the mean of those that fall there; few values are spread over the width.
  private func resampled(to width: Int) -> [Double?] {
    guard values.count > 1 else { return values }
    if values.count >= width {
      return (0..<width).map { column in
        let part = values[
          column * values.count / width..<max((column + 1) * values.count / width, column * values.count / width + 1)]
        let known = part.compactMap { $0.flatMap { $0.isFinite ? $0 : nil } }
        return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
      }
    }
    // Straight lines between neighbors that are known.
    let known = values.enumerated().compactMap { index, value in
      value.flatMap { $0.isFinite ? (x: Double(index) / Double(values.count - 1) * Double(width - 1), y: $0) : nil }
    }
    var next = 0
    return (0..<width).map { column in
      let x = Double(column)
      while next < known.count, known[next].x < x - 0.5 { next += 1 }
      if next < known.count, abs(known[next].x - x) <= 0.5 { return known[next].y }
      guard next > 0, next < known.count else { return nil }
      let (left, right) = (known[next - 1], known[next])
      return left.y + (right.y - left.y) * (x - left.x) / (right.x - left.x)
    }
  }
}

/// A raster of dots.
private struct Dots {
  let width: Int
  let height: Int
  private var isSet: [Bool]

  init(width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    isSet = [Bool](repeating: false, count: width * height)
  }

  mutating func set(_ x: Int, _ y: Int) { isSet[y * width + x] = true }

  func cell(column: Int, row: Int, isBraille: Bool) -> Character {
    func dot(_ x: Int, _ y: Int) -> Bool { isSet[y * width + x] }
    guard isBraille else {
      return switch (dot(column, 2 * row), dot(column, 2 * row + 1)) {
      case (true, true): ":"
      case (true, false): "'"
      case (false, true): "."
      case (false, false): " "
      }
    }
    // The bits of the Unicode block, by column and row of the dot.
    let bits: [[UInt32]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
    var code: UInt32 = 0x2800
    for x in 0..<2 { for y in 0..<4 where dot(2 * column + x, 4 * row + y) { code |= bits[x][y] } }
    return code == 0x2800 ? " " : Unicode.Scalar(code).map(Character.init) ?? " "
  }
}
