import System
import Tensors

/// Colors and what they mean, in as many columns as fit.
package struct Legend {
  package struct Entry {
    package let color: Palette.Color
    package let text: String

    package init(_ color: Palette.Color, _ text: String) {
      self.color = color
      self.text = text
    }
  }

  private let entries: [Entry]
  /// Of a capital letter, in pixels.
  private let textHeight: Int
  private let columnWidth: Int
  private let rows: Int

  private var lineHeight: Int { Lettering.lineHeight(textHeight) }
  /// From the left end of a swatch to its text.
  private var indent: Int { 5 * textHeight / 2 }

  /// - Parameters:
  ///   - width: of all columns, in pixels.
  ///   - textHeight: of a capital letter, in pixels.
  package init(_ entries: [Entry], width: Int, textHeight: Int) {
    self.entries = entries
    self.textHeight = textHeight
    let widest = entries.map { Lettering.width(of: $0.text, height: textHeight) }.max() ?? 0
    columnWidth = min(widest + 5 * textHeight / 2 + 2 * textHeight, max(width, 1))
    rows = entries.count.dividedRoundingUp(by: max(1, width / columnWidth))
  }

  /// In pixels.
  package var height: Int { rows * lineHeight }

  /// Draws the entries column by column, their top left corner at column `x` and row `y`.
  package func draw(on canvas: inout Canvas, x: Int, y: Int) {
    for (index, entry) in entries.enumerated() {
      let (left, top) = (x + index / rows * columnWidth, y + index % rows * lineHeight)
      let swatch = Size(textHeight, 2 * textHeight)
      // An outline, so that white is seen too.
      canvas.fill(Image.Rect(x: left, y: top, swatch), with: (red: 128, green: 128, blue: 128))
      canvas.fill(
        Image.Rect(x: left + 1, y: top + 1, Size(swatch.height - 2, swatch.width - 2)), with: entry.color)
      let text = Lettering.fitted(entry.text, height: textHeight, width: columnWidth - indent)
      canvas.write(text, x: left + indent, y: top, height: textHeight)
    }
  }
}
