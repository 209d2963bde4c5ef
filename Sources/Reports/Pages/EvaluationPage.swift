import Cityscapes
import Foundation
import Inference
import System

/// The report of one evaluation.
package struct EvaluationPage {
  private let figures: EvaluationFigures
  private let table: LabelTable
  private let images: [WorstImage]
  private let model: String
  private let options: [(option: String, value: String)]
  private let command: [String]
  private let ranks: Int
  private let layout: String

  /// - Parameters:
  ///   - images: the worst ones, with their predictions.
  ///   - model: the weight file.
  ///   - options: that decide what is measured, with their values.
  ///   - command: the words of the command line.
  ///   - layout: of ranks and threads.
  package init(
    _ figures: EvaluationFigures, _ table: LabelTable, images: [WorstImage], model: String,
    options: [(option: String, value: String)], command: [String], ranks: Int, layout: String
  ) {
    (self.figures, self.table, self.images, self.model) = (figures, table, images, model)
    (self.options, self.command, self.ranks, self.layout) = (options, command, ranks, layout)
  }

  /// The HTML document.
  package var text: String {
    let styles = ClassStyle.list(table)
    return Page(
      title: "Evaluation of \(FileSystem.name(of: model))",
      subtitle: "\(table.name), \(figures.split) split, \(Figures.count(figures.images, "image"))",
      sections: [
        Section("summary", "Summary") { HTML.tiles(tiles) },
        Section("classes", "Classes") { classes(styles) },
        Section("confusion", "Confusion") { sections(styles) { $0.confusion } },
        Section("images", "Worst images") {
          images.isEmpty
            ? [HTML.missing("No image has a labeled pixel.")]
            : Gallery(images: images, classes: styles, palette: table.palette).html
        },
        Section("boundaries", "Boundaries") { sections(styles) { $0.boundaries } },
        Section("ranks", "Ranks") {
          HTML.listing("Layout of the ranks", layout)
        },
        Section("options", "Options") {
          HTML.pairs("Options", ["option", "value"], options.map { ([$0.option, $0.value], false) })
        },
        Section("reproduce", "Reproduce it") {
          HTML.tag("p") { "The figures are the same with any number of ranks." }
          HTML.command((ranks > 1 ? "ranks -n \(ranks) " : "") + Shell.quoted(command))
        },
      ]
    ).text
  }

  private func sections(_ styles: [ClassStyle], _ content: (EvaluationSections) -> [HTML]) -> [HTML] {
    do {
      return content(try EvaluationSections(figures, classes: styles, source: "The evaluation"))
    } catch {
      return [.missing("\(error)")]
    }
  }

  private func classes(_ styles: [ClassStyle]) -> HTML {
    Bars(
      caption: "IoU and accuracy by class, %; the bar is the IoU", columns: ["IoU", "accuracy"],
      rows: styles.map { style in
        let figure = figures.classes[style.name]
        return Bars.Row(name: style.name, color: style.color, values: [figure?.iou, figure?.accuracy])
      }
    ).html
  }

  private var tiles: [(title: String, value: String, note: String, exact: Double?)] {
    let boundary = figures.boundary
    let all: [(title: String, value: Double?, note: String)] = [
      ("Class mIoU", figures.meanClassIoU, ""), ("Category mIoU", figures.meanCategoryIoU, ""),
      ("Pixel accuracy", figures.pixelAccuracy, "\(Figures.count(figures.pixels)) pixels"),
      ("Mean accuracy", figures.meanAccuracy, ""),
      ("Boundary F-score", boundary?.meanF.last ?? nil, "largest distance"), ("Boundary IoU", boundary?.meanIoU, ""),
    ]
    var tiles = all.compactMap { tile in
      tile.value.map { (title: tile.title, value: Figures.percent($0), note: tile.note, exact: Optional($0)) }
    }
    if let loss = figures.loss { tiles.append(("Loss", Figures.number(loss), "mean of the images", loss)) }
    if let speed = figures.imagesPerSecond {
      tiles.append(("Speed", Figures.number(speed), "images per second, inference alone", speed))
    }
    return tiles
  }
}
