import Foundation

/// Where the time of a step went: means over the steps, as a stacked bar and a table.
struct PartsOfStep {
  struct Part: Equatable {
    let name: String
    /// Seconds.
    let mean: Double
    /// nil for what is left of the whole.
    let largest: Double?
  }

  let parts: [Part]
  let steps: Int

  /// The columns of the steps file that add up to a step, and what they are.
  static let columns = [
    ("loading_seconds", "loading"), ("forward_seconds", "forward"), ("backward_seconds", "backward"),
    ("communication_seconds", "communication"), ("update_seconds", "update"),
  ]

  /// - Parameter imagesPerStep: gives with the speed of each step its whole time; nil: the whole is the sum of its parts.
  /// - Throws: `MissingFigures` if the file does not have the columns, or no value in them.
  init(_ steps: CSVTable, imagesPerStep: Int?, path: String) throws(MissingFigures) {
    let values = Self.columns.map { steps.numbers($0.0) ?? [] }
    guard values.allSatisfy({ !$0.isEmpty }) else {
      throw MissingFigures(
        steps.rows.isEmpty
          ? "\(path) has no steps yet."
          : "\(path) does not say where the time went: earlier versions of gscnn did not measure it; steps after a resume do."
      )
    }
    let speeds = steps.numbers("images_per_second") ?? []
    var sums = [Double](repeating: 0, count: values.count)
    var largest = sums
    var (count, whole) = (0, 0.0)
    for row in steps.rows.indices {
      let times = values.compactMap { $0[row] }.filter { $0.isFinite && $0 >= 0 }
      guard times.count == values.count else { continue }
      count += 1
      for (index, time) in times.enumerated() {
        sums[index] += time
        largest[index] = max(largest[index], time)
      }
      let sum = times.reduce(0, +)
      let speed = row < speeds.count ? speeds[row] ?? 0 : 0
      whole += imagesPerStep.map { speed > 0 && speed.isFinite ? max(Double($0) / speed, sum) : sum } ?? sum
    }
    guard count > 0 else {
      throw MissingFigures(
        "\(path) does not say where the time went: earlier versions of gscnn did not measure it; steps after a resume do."
      )
    }
    self.steps = count
    var parts = Self.columns.enumerated().map { index, column in
      Part(name: column.1, mean: sums[index] / Double(count), largest: largest[index])
    }
    parts.append(Part(name: "other", mean: max(whole - sums.reduce(0, +), 0) / Double(count), largest: nil))
    self.parts = parts
  }

  var whole: Double { parts.reduce(0) { $0 + $1.mean } }

  func share(_ part: Part) -> Double { whole > 0 ? part.mean / whole : 0 }

  /// The bar alone.
  var bar: HTML {
    let text = parts.map { "\($0.name) \(Figures.percent(share($0), digits: 1))" }.joined(separator: ", ")
    var begin = 0.0
    var rects: [HTML] = []
    for (index, part) in parts.enumerated() {
      let width = 1000 * share(part)
      rects.append(
        .tag(
          "rect",
          [
            "class": "fill s\(index + 1)", "x": String(format: "%.1f", begin), "y": "0",
            "width": String(format: "%.1f", width), "height": "10",
          ]
        ) {
          HTML.tag("title") {
            "\(part.name): \(Figures.duration(part.mean)), \(Figures.percent(share(part), digits: 1))"
          }
        })
      begin += width
    }
    return .tag(
      "svg",
      ["class": "stack", "viewBox": "0 0 1000 10", "preserveAspectRatio": "none", "role": "img", "aria-label": text]
    ) { rects }
  }

  /// - Parameter run: its name, on a page of several.
  func html(of run: String? = nil) -> HTML {
    .tag("figure", ["class": "parts"]) {
      HTML.tag("figcaption") {
        HTML.tag("span", ["class": "title"]) { "A step takes \(Figures.duration(whole))" }
        HTML.tag("span", ["class": "unit"]) { "mean of \(Figures.count(steps, "step")), rank 0" }
      }
      bar
      HTML.scrolling("Where the time of a step went" + (run.map { ", \($0)" } ?? "")) {
        HTML.tag("table", ["class": "numbers"]) {
          HTML.tag("thead") {
            HTML.tag("tr") {
              for column in ["part", "mean", "share", "longest"] { HTML.tag("th", ["scope": "col"]) { column } }
            }
          }
          HTML.tag("tbody") {
            for (index, part) in parts.enumerated() {
              HTML.tag("tr") {
                HTML.tag("th", ["scope": "row"]) {
                  HTML.tag("span", ["class": "swatch s\(index + 1)", "aria-hidden": "true"])
                  part.name
                }
                HTML.tag("td", ["data-value": Figures.exact(part.mean)]) { Figures.duration(part.mean) }
                HTML.tag("td", ["data-value": Figures.exact(share(part))]) { Figures.percent(share(part), digits: 1) }
                HTML.tag("td") { part.largest.map(Figures.duration) ?? "" }
              }
            }
          }
        }
      }
    }
  }
}
