import System
import Tensors

/// Images in rows, each with a title above it, and a legend below.
package struct PanelSheet {
  package struct Panel {
    package let title: String
    package let image: Image

    package init(_ title: String, _ image: Image) {
      self.title = title
      self.image = image
    }
  }

  private let heading: String?
  private let rows: [[Panel]]
  private let legends: [(title: String?, entries: [Legend.Entry])]
  /// Of a capital letter, in pixels.
  private let textHeight: Int

  /// - Parameters:
  ///   - heading: above all panels.
  ///   - rows: at least one panel.
  ///   - legends: below each other; the title of one stands above it.
  ///   - textHeight: of a capital letter, in pixels.
  package init(
    heading: String?, _ rows: [[Panel]], legends: [(title: String?, entries: [Legend.Entry])], textHeight: Int
  ) {
    precondition(rows.contains { !$0.isEmpty }, "a sheet has at least one panel")
    self.heading = heading
    self.rows = rows
    self.legends = legends.filter { !$0.entries.isEmpty }
    self.textHeight = textHeight
  }

  /// The height of letters that can be read beside panels of a width, also when the sheet is scaled to a screen.
  package static func textHeight(panelWidth: Int) -> Int { min(max(8, panelWidth / 32), 64) }

  private var line: Int { Lettering.lineHeight(textHeight) }
  private var gap: Int { textHeight }
  private var margin: Int { 3 * textHeight / 2 }

  /// RGB.
  package func drawn() -> Image {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.compactMap { column < $0.count ? $0[column].image.size.width : nil }.max() ?? 0
    }
    let heights = rows.map { row in (row.map(\.image.size.height).max() ?? 0) + line }
    // A narrow sheet has room for the longest class name of Cityscapes and its figures.
    let inner = max(widths.reduce(0, +) + gap * (columns - 1), 24 * textHeight)
    let legends = legends.map { (title: $0.title, legend: Legend($0.entries, width: inner, textHeight: textHeight)) }
    let legendHeights = legends.map { gap + ($0.title == nil ? 0 : line) + $0.legend.height }
    let height =
      2 * margin + (heading == nil ? 0 : line + gap / 2) + heights.reduce(0, +) + gap * (rows.count - 1)
      + legendHeights.reduce(0, +)
    var canvas = Canvas(Size(height, inner + 2 * margin))

    var y = margin
    func write(_ text: String, x: Int, width: Int) {
      canvas.write(
        Lettering.fitted(text, height: textHeight, width: width), x: x, y: y, height: textHeight)
    }
    if let heading {
      write(heading, x: margin, width: inner)
      y += line + gap / 2
    }
    for (row, height) in zip(rows, heights) {
      var x = margin
      for (panel, width) in zip(row, widths) {
        write(panel.title, x: x, width: row.count == 1 ? inner : width)
        canvas.draw(panel.image, x: x, y: y + line)
        x += width + gap
      }
      y += height + gap
    }
    for (title, legend) in legends {
      if let title {
        write(title, x: margin, width: inner)
        y += line
      }
      legend.draw(on: &canvas, x: margin, y: y)
      y += legend.height + gap
    }
    return canvas.image
  }
}
