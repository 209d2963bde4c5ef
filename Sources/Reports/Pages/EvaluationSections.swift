import Foundation

/// The sections about one evaluation.
struct EvaluationSections {
  let figures: EvaluationFigures
  /// By train id.
  let classes: [ClassStyle]

  /// - Throws: `MissingFigures` if the figures are of other classes.
  init(_ figures: EvaluationFigures, classes: [ClassStyle], source: String) throws(MissingFigures) {
    guard Set(classes.map(\.name)) == Set(figures.classes.keys) else {
      throw MissingFigures(
        "\(source) holds figures of other classes than the run; gscnn evaluate --report FILE measures the model again.")
    }
    (self.figures, self.classes) = (figures, classes)
  }

  var confusion: [HTML] {
    HTMLBuilder.content {
      if figures.pixels == 0 {
        HTML.missing("No pixel of the \(figures.split) split has a class.")
      } else {
        ConfusionTable(classes: classes, counts: figures.confusion).html
        if !figures.mostConfused.isEmpty {
          HTML.tag("h3") { "Most confused classes" }
          HTML.scrolling("Most confused classes") {
            HTML.tag("table", ["class": "numbers"]) {
              HTML.header(["true class", "predicted as", "pixels", "share of the class"], texts: ["predicted as"])
              HTML.tag("tbody") {
                for pair in figures.mostConfused {
                  HTML.tag("tr") {
                    HTML.tag("th", ["scope": "row"]) { pair.truth }
                    HTML.tag("td", ["class": "text"]) { pair.prediction }
                    HTML.tag("td", ["data-value": "\(pair.pixels)"]) { Figures.count(pair.pixels) }
                    HTML.tag("td") { Figures.percent(pair.share) }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  var boundaries: [HTML] {
    guard let boundary = figures.boundary else {
      return [
        .missing("Boundaries were not measured; gscnn evaluate --report FILE does, where the split has labels.")
      ]
    }
    // The largest distance first, which is the one that is drawn. On small images several are the same number of pixels.
    let order = boundary.radii.indices.sorted { boundary.radii[$0][1] > boundary.radii[$1][1] }
      .filter { boundary.radii.firstIndex(of: boundary.radii[$0]) == $0 }
    return HTMLBuilder.content {
      HTML.tag("p") {
        "The F-score is the harmonic mean of precision and recall of boundary pixels: those that lie within a distance of "
        "a boundary pixel of the other map. Boundary IoU is the IoU of the pixels of a class near its boundary."
      }
      Bars(
        caption: "Boundary quality by class, %; the bar is the F-score at the largest distance",
        columns: order.map { "F " + Self.pixels(boundary.radii[$0]) } + ["IoU " + Self.pixels(boundary.distance)],
        rows: classes.compactMap { style in
          boundary.classes[style.name].map { scores in
            Bars.Row(name: style.name, color: style.color, values: order.map { scores.f[$0] } + [scores.iou])
          }
        }, mean: order.map { boundary.meanF[$0] } + [boundary.meanIoU]
      ).html
    }
  }

  /// [3, 3] → "3 px".
  private static func pixels(_ range: [Int]?) -> String {
    guard let range, range.count == 2 else { return "–" }
    return range[0] == range[1] ? "\(range[0]) px" : "\(range[0])–\(range[1]) px"
  }
}

extension HTMLBuilder {
  static func content(@HTMLBuilder _ content: () -> [HTML]) -> [HTML] { content() }
}

extension HTML {
  /// The head of a table; its first column and those of texts are aligned to the left.
  static func header(_ columns: [String], texts: Set<String> = []) -> HTML {
    .tag("thead") {
      HTML.tag("tr") {
        for column in columns {
          HTML.tag("th", ["scope": "col", "class": texts.contains(column) ? "text" : nil]) { column }
        }
      }
    }
  }

  /// Figures in large type: what each is, the figure, a remark.
  static func tiles(_ tiles: [(title: String, value: String, note: String, exact: Double?)]) -> HTML {
    .tag("dl", ["class": "tiles"]) {
      for tile in tiles {
        HTML.tag("div") {
          HTML.tag("dt") { tile.title }
          HTML.tag("dd", ["data-value": tile.exact.map(Figures.exact)]) { tile.value }
          HTML.tag("dd") { tile.note }
        }
      }
    }
  }

  /// Two columns of text.
  static func pairs(_ caption: String, _ header: [String], _ rows: [(texts: [String], isChanged: Bool)]) -> HTML {
    .scrolling(caption) {
      HTML.tag("table", ["class": "options"]) {
        HTML.tag("caption", ["class": "hidden"]) { caption }
        HTML.tag("thead") {
          HTML.tag("tr") { for title in header { HTML.tag("th", ["scope": "col", "class": "text"]) { title } } }
        }
        HTML.tag("tbody") {
          for row in rows {
            HTML.tag("tr", ["class": row.isChanged ? "changed" : nil]) {
              HTML.tag("th", ["scope": "row"]) { HTML.tag("code") { row.texts[0] } }
              for text in row.texts.dropFirst() { HTML.tag("td", ["class": "text"]) { HTML.tag("code") { text } } }
            }
          }
        }
      }
    }
  }
}
