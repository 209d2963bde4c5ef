import Foundation

/// A bar for each class, with the figures beside it: a table, so that it reads the same without its drawing.
struct Bars {
  struct Row {
    let name: String
    /// Of the class; nil: the colors of the columns.
    let color: String?
    /// From 0 to 1, by column. With a color the first one is drawn, otherwise all.
    let values: [Double?]
    /// Drawn as a mark on the bar.
    var mark: Double?
    /// Cells after the values.
    var extra: [String] = []
  }

  /// Says that the figures are in percent.
  let caption: String
  let columns: [String]
  var extraColumns: [String] = []
  let rows: [Row]
  /// A last row without a bar.
  var mean: [Double?]?

  var html: HTML {
    .scrolling(caption) {
      HTML.tag("table", ["class": "bars"]) {
        HTML.tag("caption") { caption }
        HTML.tag("thead") {
          HTML.tag("tr") {
            HTML.tag("th", ["scope": "col"]) { "class" }
            HTML.tag("td", ["class": "bar"])
            for (index, column) in columns.enumerated() {
              HTML.tag("th", ["scope": "col"]) {
                if rows.allSatisfy({ $0.color == nil }), columns.count > 1 {
                  swatch("s\(index % LineChart.styles + 1)")
                }
                column
              }
            }
            for column in extraColumns { HTML.tag("th", ["scope": "col"]) { column } }
          }
        }
        HTML.tag("tbody") {
          for row in rows { line(row) }
          if let mean {
            HTML.tag("tr", ["class": "sum"]) {
              HTML.tag("th", ["scope": "row"]) { "mean" }
              HTML.tag("td", ["class": "bar"])
              for value in mean { cell(value) }
            }
          }
        }
      }
    }
  }

  private func swatch(_ style: String) -> HTML { .tag("span", ["class": "swatch \(style)", "aria-hidden": "true"]) }

  private func line(_ row: Row) -> HTML {
    .tag("tr") {
      HTML.tag("th", ["scope": "row"]) {
        if let color = row.color { HTML.swatch(color) }
        row.name
      }
      HTML.tag("td", ["class": "bar"]) { drawing(row) }
      for value in row.values { cell(value) }
      for text in row.extra { HTML.tag("td") { text } }
    }
  }

  private func cell(_ value: Double?) -> HTML {
    .tag("td", ["data-value": value.map(Figures.exact)]) { Figures.percentNumber(value) }
  }

  /// In a box of 1000 by the number of bars that the style sheet stretches.
  private func drawing(_ row: Row) -> HTML {
    let bars = row.color == nil ? row.values : Array(row.values.prefix(1))
    return .tag(
      "svg",
      [
        "viewBox": "0 0 1000 \(10 * bars.count)", "preserveAspectRatio": "none", "aria-hidden": "true",
        "style": bars.count > 1 ? "height:\(0.6 * Double(bars.count) + 0.2)rem" : nil,
      ]
    ) {
      for (index, value) in bars.enumerated() {
        if let value {
          HTML.tag(
            "rect",
            [
              "class": row.color == nil ? "fill s\(index % LineChart.styles + 1)" : "class", "x": "0",
              "y": "\(10 * index + 1)", "width": String(format: "%.1f", 1000 * min(max(value, 0), 1)), "height": "8",
              "style": row.color.map { "fill:\($0)" },
            ]
          ) { HTML.tag("title") { "\(row.name): \(Figures.percent(value))" } }
        }
      }
      if let mark = row.mark {
        let x = String(format: "%.1f", 1000 * min(max(mark, 0), 1))
        HTML.tag("path", ["class": "mark halo", "d": "M\(x) 0V10"])
        HTML.tag("path", ["class": "mark", "d": "M\(x) 0V10"])
      }
    }
  }
}

extension HTML {
  /// A square in the color of a class.
  static func swatch(_ color: String) -> HTML {
    .tag("span", ["class": "swatch", "style": "background:\(color)", "aria-hidden": "true"])
  }
}
