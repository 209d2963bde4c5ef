import Foundation

/// A confusion matrix as two tables, of which two buttons choose one: shares of each row, and pixels.
struct ConfusionTable {
  let classes: [ClassStyle]
  /// Pixels; rows are the ground truth, columns the prediction.
  let counts: [[Int64]]

  /// More classes than this make a table that no screen holds.
  static let maximumClasses = 40

  /// The classes that are shown, by train id: all, or those with the most wrong pixels in row and column.
  private var shown: [Int] {
    guard classes.count > Self.maximumClasses else { return Array(classes.indices) }
    let wrong = classes.indices.map { trainId in
      classes.indices.reduce(0.0) { sum, other in
        other == trainId ? sum : sum + Double(counts[trainId][other]) + Double(counts[other][trainId])
      }
    }
    return classes.indices.sorted { (wrong[$0], $1) > (wrong[$1], $0) }.prefix(Self.maximumClasses).sorted()
  }

  var html: HTML {
    .tag("div", ["class": "confusion"]) {
      if classes.count > Self.maximumClasses {
        HTML.tag("p", ["class": "note"]) {
          "The \(Self.maximumClasses) classes with the most wrong pixels of \(classes.count); the JSON file has them all."
        }
      }
      HTML.tag("div", ["role": "radiogroup", "aria-label": "What the matrix shows"]) {
        HTML.tag("input", ["type": "radio", "name": "confusion", "id": "confusion-shares", "checked": ""])
        HTML.tag("label", ["for": "confusion-shares"]) { "Share of the true class" }
        HTML.tag("input", ["type": "radio", "name": "confusion", "id": "confusion-counts"])
        HTML.tag("label", ["for": "confusion-counts"]) { "Pixels" }
      }
      HTML.tag("p", ["class": "note"]) {
        "A row is a class of the ground truth, a column what was predicted. The diagonal is correct. "
        "Arrow keys move through the cells."
      }
      table("shares", caption: "Confusion matrix, % of the pixels of the true class") { share, _ in
        share == 0 ? "" : share < 0.0005 ? "0.0" : String(format: share >= 0.9995 ? "%.0f" : "%.1f", 100 * share)
      }
      table("counts", caption: "Confusion matrix, pixels") { _, count in Figures.compact(count) }
      // A screen reader says the label of the cell that has the focus.
      HTML.tag("p", ["class": "reading", "aria-hidden": "true"])
    }
  }

  private func table(_ kind: String, caption: String, _ text: (Double, Int64) -> String) -> HTML {
    let shown = shown
    return .tag("div", ["class": "scroll \(kind)", "tabindex": "0", "role": "region", "aria-label": caption]) {
      HTML.tag("table", ["class": "matrix"]) {
        HTML.tag("caption", ["class": "hidden"]) { caption }
        HTML.tag("thead") {
          HTML.tag("tr") {
            HTML.tag("td")
            for trainId in shown {
              HTML.tag("th", ["scope": "col"]) {
                HTML.tag("span") { classes[trainId].name }
              }
            }
          }
        }
        HTML.tag("tbody") {
          for truth in shown {
            let total = counts[truth].reduce(0) { $0 + Double($1) }
            HTML.tag("tr") {
              HTML.tag("th", ["scope": "row"]) {
                HTML.swatch(classes[truth].color)
                classes[truth].name
              }
              for prediction in shown {
                let count = counts[truth][prediction]
                let share = total > 0 ? Double(count) / total : 0
                HTML.tag(
                  "td",
                  [
                    "class": Self.shade(share, isCorrect: truth == prediction), "data-value": "\(count)",
                    "data-share": total > 0 ? Figures.percent(share) : nil,
                  ]
                ) { text(share, count) }
              }
            }
          }
        }
      }
    }
  }

  /// One of ten shades; the style sheet writes light on the dark ones.
  private static func shade(_ share: Double, isCorrect: Bool) -> String? {
    guard share > 0 else { return isCorrect ? "right" : nil }
    // Wrong pixels are few: small shares already show.
    let level = min(max(Int((10 * (isCorrect ? share : share.squareRoot())).rounded(.up)), 1), 10)
    return (isCorrect ? "right " : "wrong ") + "h\(level)"
  }
}

extension Figures {
  /// A count in three digits: 12, "3.4 k", "120 M".
  static func compact(_ count: Int64) -> String {
    guard count > 0 else { return "" }
    var (value, unit) = (Double(count), "")
    for next in ["k", "M", "G", "T", "P", "E"] where value >= 999.5 { (value, unit) = (value / 1000, next) }
    let text =
      unit.isEmpty || value >= 99.95
      ? String(format: "%.0f", value) : String(format: value >= 9.995 ? "%.1f" : "%.2f", value)
    return text + unit
  }
}
