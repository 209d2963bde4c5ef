import Foundation

/// Text in pictures: a typeface of strokes that can be read at any size.
///
/// Glyphs are drawn on a grid of five columns and seven rows, with two more below the baseline. Neighboring points of the
/// grid are joined by lines, which are drawn with smooth edges. Characters outside of ASCII lose their accents, or become a
/// box.
package enum Lettering {
  /// A character: points of the grid, and the lines between them.
  struct Glyph {
    /// In units of the grid, from the leftmost point on.
    let width: Double
    /// Start and end of each line; a dot is a line of length 0.
    let lines: [(start: SIMD2<Double>, end: SIMD2<Double>)]
  }

  /// Columns and rows of the grid, and the rows above the baseline.
  private static let (columns, rows, ascent) = (5, 9, 7)

  private static let glyphs: [Glyph] = {
    let lines = drawing.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.utf8) }
    return (0..<95).map { index in
      let (top, left) = (index / 16 * (rows + 1), index % 16 * (columns + 1))
      return Glyph { row, column in lines[top + row][left + column] == UInt8(ascii: "#") }
    }
  }()

  /// Stands for what has no glyph.
  private static let box = Glyph { row, column in
    row < ascent && (row == 0 || row == ascent - 1 || column == 0 || column == columns - 1)
  }

  /// The height of a line of text, with the space to the next, whose capitals are `height` pixels tall.
  package static func lineHeight(_ height: Int) -> Int { height * 13 / 7 }

  /// The width of a text in pixels.
  ///
  /// - Parameter height: of a capital letter, in pixels.
  package static func width(of text: String, height: Int) -> Int {
    var pen = Pen(height)
    for glyph in glyphs(of: text) { pen.advance(over: glyph) }
    return Int(pen.position.rounded(.up))
  }

  /// The text, or as much of its beginning and its end as fits into a width, with dots between them.
  package static func fitted(_ text: String, height: Int, width: Int) -> String {
    guard Self.width(of: text, height: height) > width else { return text }
    let characters = Array(text)
    var kept = characters.count
    while kept > 0 {
      kept -= 1
      let shorter = String(characters.prefix(kept / 2)) + ".." + String(characters.suffix(kept - kept / 2))
      if Self.width(of: shorter, height: height) <= width { return shorter }
    }
    return ""
  }

  /// Calls `paint` for each pixel that the text touches.
  ///
  /// - Parameters:
  ///   - height: of a capital letter, in pixels.
  ///   - paint: receives column and row, from the left end of the text and the top of its capitals, and how much of the
  ///     pixel is covered, above 0 and up to 1.
  static func draw(_ text: String, height: Int, paint: (_ x: Int, _ y: Int, _ coverage: Double) -> Void) {
    var pen = Pen(height)
    for glyph in glyphs(of: text) {
      defer { pen.advance(over: glyph) }
      guard !glyph.lines.isEmpty else { continue }
      let columns = Int(pen.position)...Int((pen.position + (glyph.width + 1) * pen.unit).rounded(.up))
      for y in 0..<Int((Double(rows) * pen.unit).rounded(.up)) {
        for x in columns {
          let point = SIMD2((Double(x) + 0.5 - pen.position) / pen.unit, (Double(y) + 0.5) / pen.unit) - 0.5
          let distance = glyph.distance(to: point)
          // A line is a little wider than a unit, and at least a pixel.
          let coverage = 0.5 + max(0.56 * pen.unit, 0.5) - distance * pen.unit
          if coverage > 0 { paint(x, y, min(coverage, 1)) }
        }
      }
    }
  }

  /// Where the next glyph begins.
  private struct Pen {
    /// Pixels of a unit of the grid.
    let unit: Double
    var position = 0.0

    init(_ height: Int) { unit = Double(height) / Double(ascent) }

    mutating func advance(over glyph: Glyph) { position += (glyph.width + 2) * unit }
  }

  /// Letters and signs that are more than an accent away from ASCII.
  private static let spellings: [Unicode.Scalar: String] = [
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ı": "i", "×": "x", "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": "\"", "”": "\"", "…": "..", "·": ".",
  ]

  private static func glyphs(of text: String) -> [Glyph] {
    // Accents become characters of their own, and are left out.
    text.decomposedStringWithCanonicalMapping.unicodeScalars.flatMap { scalar -> [Glyph] in
      if scalar.properties.generalCategory == .nonspacingMark { return [] }
      guard let spelling = scalar.isASCII ? String(scalar) : spellings[scalar] else { return [box] }
      return spelling.utf8.map { (0x20...0x7E).contains($0) ? glyphs[Int($0) - 0x20] : box }
    }
  }
}

extension Lettering.Glyph {
  /// - Parameter isSet: whether a point of the grid belongs to the glyph, by row and column.
  fileprivate init(_ isSet: (_ row: Int, _ column: Int) -> Bool) {
    var points: [SIMD2<Int>] = []
    for row in 0..<9 {
      for column in 0..<5 where isSet(row, column) { points.append(SIMD2(column, row)) }
    }
    let left = points.map(\.x).min() ?? 0
    // The space is narrower than letters.
    width = Double((points.map(\.x).max() ?? 1) - left)
    let set = Set(points)
    var lines: [(start: SIMD2<Double>, end: SIMD2<Double>)] = []
    for point in points {
      func joined(_ x: Int, _ y: Int) -> Bool {
        guard set.contains(point &+ SIMD2(x, y)) else { return false }
        // Diagonal neighbors that are joined by a third point have no line of their own.
        return x == 0 || y == 0 || !set.contains(point &+ SIMD2(x, 0)) && !set.contains(point &+ SIMD2(0, y))
      }
      func place(_ point: SIMD2<Int>) -> SIMD2<Double> { SIMD2(Double(point.x - left), Double(point.y)) }
      lines.append((place(point), place(point)))
      for (x, y) in [(1, 0), (0, 1), (1, 1), (-1, 1)] where joined(x, y) {
        lines.append((place(point), place(point &+ SIMD2(x, y))))
      }
    }
    self.lines = lines
  }

  /// Of a point to the nearest line.
  fileprivate func distance(to point: SIMD2<Double>) -> Double {
    var nearest = Double.infinity
    for line in lines {
      let (along, from) = (line.end - line.start, point - line.start)
      let length = (along * along).sum()
      let part = length == 0 ? 0 : min(max((along * from).sum() / length, 0), 1)
      let offset = from - along * part
      nearest = min(nearest, (offset * offset).sum())
    }
    return nearest.squareRoot()
  }
}
