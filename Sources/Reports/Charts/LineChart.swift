import Foundation

/// Lines over a common x axis: an SVG drawing that stretches to any width, with labels of constant size beside it, and a
/// table of all its values, from which the script of the page also takes what its tooltips say.
struct LineChart {
  let title: String
  /// What the values are, such as "% of classes".
  let unit: String
  /// Of the x values: "epoch".
  var axis = "epoch"
  let curves: [Curve]
  /// Whether the y axis begins at 0.
  var fromZero = true
  /// What else there is to know.
  var note: String?
  /// The sentence in place of a chart without values.
  var missing = "There are no values yet."
  /// By run in a comparison, whose runs have the same colors in all charts; nil: in the order of the lines.
  var colors: [Int]?
  /// The ends of the y axis; nil: those of the values.
  var limits: ClosedRange<Double>?
  /// Of the class that the chart is about, as CSS writes it.
  var swatch: String?

  /// Lines that a reader can tell apart: colors, and dashes for who sees no colors.
  static let styles = 8

  var html: HTML {
    let drawn = curves.enumerated().filter { !$0.element.points.isEmpty }
    guard !drawn.isEmpty else {
      return .tag("figure", ["class": "chart"]) {
        HTML.tag("figcaption") { title }
        HTML.tag("p", ["class": "missing"]) { gaps.map { "There is no finite value. \($0)" } ?? missing }
      }
    }
    let points = drawn.flatMap(\.element.points)
    let isWhole = points.allSatisfy { $0.x == $0.x.rounded() }
    let xs = Scale(points.map(\.x), extending: false, ticks: 6, smallestStep: isWhole ? 1 : 0)
    let heights = points.flatMap { [$0.y, $0.range?.lowerBound ?? $0.y, $0.range?.upperBound ?? $0.y] }
    let ys = Scale(limits.map { [$0.lowerBound, $0.upperBound] } ?? heights, includingZero: fromZero)
    return .tag("figure", ["class": "chart"]) {
      HTML.tag("figcaption") {
        HTML.tag("span", ["class": "title"]) {
          swatch.map(HTML.swatch)
          title
        }
        HTML.tag("span", ["class": "unit"]) { unit }
      }
      if curves.count > 1 { legend(drawn.map { (style($0.offset), $0.element.name) }) }
      HTML.tag(
        "div",
        [
          "class": "plot", "role": "img",
          "aria-label": "\(title), \(unit), by \(axis): \(summary(drawn.map(\.element)))",
          "data-x0": Figures.exact(xs.range.lowerBound), "data-x1": Figures.exact(xs.range.upperBound),
        ]
      ) {
        drawing(drawn.map { (style($0.offset), $0.element) }, xs, ys)
        for tick in ys.ticks {
          HTML.tag("span", ["class": "y", "style": "bottom:\(percent(ys.position(tick)))"]) {
            Figures.tick(tick, among: ys.ticks)
          }
        }
        for (index, tick) in xs.ticks.enumerated() {
          HTML.tag(
            "span",
            [
              "class": index.isMultiple(of: 2) ? "x" : "x every-other",
              "style": "left:\(percent(xs.position(tick)));transform:translateX(-\(percent(xs.position(tick))))",
            ]
          ) { Figures.tick(tick, among: xs.ticks) }
        }
      }
      HTML.tag("p", ["class": "axis"]) { axis }
      for sentence in remarks { HTML.tag("p", ["class": "note"]) { sentence } }
      table(drawn.map(\.element))
    }
  }

  private func style(_ index: Int) -> Int { (colors.map { $0[index] } ?? index) % Self.styles + 1 }

  private func percent(_ position: Double) -> String { String(format: "%.2f%%", 100 * position) }

  private func legend(_ names: [(style: Int, name: String)]) -> HTML {
    .tag("ul", ["class": "legend"]) {
      for (style, name) in names {
        HTML.tag("li") {
          HTML.tag("svg", ["class": "key s\(style)", "viewBox": "0 0 28 8", "aria-hidden": "true"]) {
            HTML.tag("path", ["class": "line", "d": "M0 4H28"])
          }
          name
        }
      }
    }
  }

  /// The lines and their bands, y downward, in a square of 1000 × 1000 that the style sheet stretches.
  private func drawing(_ curves: [(style: Int, curve: Curve)], _ xs: Scale, _ ys: Scale) -> HTML {
    func place(_ x: Double, _ y: Double) -> String {
      String(format: "%.1f %.1f", 1000 * xs.position(x), 1000 * (1 - ys.position(y)))
    }
    return .tag("svg", ["viewBox": "0 0 1000 1000", "preserveAspectRatio": "none", "aria-hidden": "true"]) {
      for tick in ys.ticks {
        HTML.tag("path", ["class": "grid", "d": String(format: "M0 %.1fH1000", 1000 * (1 - ys.position(tick)))])
      }
      for (style, curve) in curves {
        let bands = curve.points.compactMap { point in point.range.map { (point.x, $0) } }
        if !bands.isEmpty {
          let outline =
            bands.map { place($0.0, $0.1.upperBound) } + bands.reversed().map { place($0.0, $0.1.lowerBound) }
          HTML.tag("path", ["class": "band s\(style)", "d": "M\(outline.joined(separator: "L"))Z"])
        }
      }
      for (style, curve) in curves {
        HTML.tag(
          "path",
          ["class": "line s\(style)", "d": "M" + curve.points.map { place($0.x, $0.y) }.joined(separator: "L")])
        // A stroke without length and with round ends is a dot of constant size in a stretched drawing.
        if curve.points.count <= 60 {
          HTML.tag(
            "path",
            ["class": "dots s\(style)", "d": curve.points.map { "M\(place($0.x, $0.y))h0" }.joined()])
        }
      }
    }
  }

  /// First and last value of each line, for who cannot see them.
  private func summary(_ curves: [Curve]) -> String {
    curves.compactMap { curve in
      guard let first = curve.points.first, let last = curve.points.last else { return nil }
      let name = self.curves.count > 1 ? curve.name + " " : ""
      return curve.points.count == 1
        ? "\(name)\(Figures.number(first.y))" : "\(name)from \(Figures.number(first.y)) to \(Figures.number(last.y))"
    }.joined(separator: "; ")
  }

  /// How many values have no point; nil if all have one.
  private var gaps: String? {
    let omitted = curves.map(\.omitted).reduce(0, +)
    guard omitted > 1 else { return omitted == 1 ? "1 value is not finite and left out." : nil }
    return "\(Figures.count(omitted)) values are not finite and left out."
  }

  private var remarks: [String] {
    let perPoint = curves.map(\.valuesPerPoint).max() ?? 1
    let means =
      perPoint > 1
      ? "A point is the mean of \(Figures.count(perPoint)) steps; the band reaches from the smallest to the largest of them."
      : nil
    return [means, note, gaps].compactMap(\.self)
  }

  private func table(_ curves: [Curve]) -> HTML {
    let xs = Set(curves.flatMap { $0.points.map(\.x) }).sorted()
    let values = curves.map { curve in
      Dictionary(curve.points.map { ($0.x, $0) }) { _, last in last }
    }
    return .dataTable(title: title) {
      HTML.tag("thead") {
        HTML.tag("tr") {
          HTML.tag("th", ["scope": "col"]) { axis }
          for curve in curves { HTML.tag("th", ["scope": "col"]) { curve.name } }
        }
      }
      HTML.tag("tbody") {
        for x in xs {
          HTML.tag("tr") {
            HTML.tag("th", ["scope": "row", "data-value": Figures.exact(x)]) { Figures.number(x) }
            for points in values { cell(points[x]) }
          }
        }
      }
    }
  }

  private func cell(_ point: Curve.Point?) -> HTML {
    guard let point else { return .tag("td") }
    return .tag("td", ["data-value": Figures.exact(point.y)]) {
      Figures.number(point.y)
      if let range = point.range {
        HTML.tag("small") { " (\(Figures.number(range.lowerBound)) to \(Figures.number(range.upperBound)))" }
      }
    }
  }
}

extension HTML {
  /// A table behind a button, scrolling by itself if it is wider than the page.
  static func dataTable(title: String, @HTMLBuilder _ content: () -> [HTML]) -> HTML {
    .tag("details") {
      HTML.tag("summary") {
        "Data"
        HTML.tag("span", ["class": "hidden"]) { " of the chart \(title)" }
      }
      HTML.scrolling("Data: \(title)") { HTML.tag("table", ["class": "numbers"]) { content() } }
    }
  }

  /// A region that scrolls by itself, with the keyboard as well.
  static func scrolling(_ label: String, @HTMLBuilder _ content: () -> [HTML]) -> HTML {
    .tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": label]) { content() }
  }
}

extension Figures {
  /// The text of a tick, with as many digits as the ticks beside it need.
  static func tick(_ value: Double, among ticks: [Double]) -> String {
    let largest = ticks.map(abs).max() ?? 0
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : largest
    if abs(value) < step / 1000 { return "0" }
    guard largest < 1e5, step >= 1e-4 || step == 0 else { return number(Double(String(format: "%.6g", value))) }
    let digits = (0...5).first { abs((step * pow(10, Double($0))).rounded() - step * pow(10, Double($0))) < 1e-6 } ?? 5
    return String(format: "%.\(digits)f", value).replacingOccurrences(of: "-", with: "−")
  }
}
