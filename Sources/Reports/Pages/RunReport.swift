import Cityscapes
import Foundation
import Inference
import System
import Training

/// The report of one run, from its files alone.
package struct RunReport {
  private let record: RunRecord
  private let dataPath: String?

  /// - Parameter dataPath: the data set, if it is not where the run had it.
  package init(_ record: RunRecord, dataPath: String?) {
    (self.record, self.dataPath) = (record, dataPath)
  }

  private var name: String { FileSystem.name(of: record.paths.prefix) }

  /// The HTML document.
  package var text: String {
    Page(
      title: "Training \(name)", subtitle: subtitle,
      sections: [
        Section("summary", "Summary") { summary },
        Section("curves", "Curves") { RunCurves(runs: [(name, record)]).html },
        Section("classes", "Classes") { classes },
        Section("confusion", "Confusion") { evaluation { $0.confusion } },
        Section("images", "Worst images") { gallery },
        Section("boundaries", "Boundaries") { evaluation { $0.boundaries } },
        Section("time", "Time of a step") { time },
        Section("ranks", "Ranks") { Provenance(record: record).ranks() },
        Section("options", "Options") { options },
        Section("reproduce", "Reproduce it") {
          Provenance(record: record).commands(dataPath: dataPath) + Provenance(record: record).page(dataPath: dataPath)
        },
      ]
    ).text
  }

  private var subtitle: String {
    guard let run = try? record.description.get() else { return record.paths.folder }
    let images = ["train", "val", "test"].compactMap { split in
      run.images[split].map { "\(Figures.count($0)) \(split)" }
    }
    return "\(run.dataSet), \(images.joined(separator: ", ")) images; \(Figures.count(run.parameters)) parameters"
  }

  // MARK: - Summary

  private var summary: [HTML] {
    let figures = RunFigures(record)
    return HTMLBuilder.content {
      HTML.tiles(figures.tiles)
      if let reason = record.whyNoBestModel { HTML.missing(reason) }
      for sentence in record.damage { HTML.missing(sentence) }
    }
  }

  // MARK: - Classes

  private var classes: [HTML] {
    let best = record.bestEpochs.last
    if case .failure(let missing) = record.classIoU { return classesOfValidation(missing) }
    guard let best else {
      return HTMLBuilder.content {
        record.whyNoBestModel.map(HTML.missing)
        classCurves
      }
    }
    guard let values = record.classIoU(epoch: best, split: "val") else {
      return classesOfValidation(
        MissingFigures("\(record.paths.classes) has no figures of epoch \(best), whose model is the best."))
    }
    let previous = record.bestEpochs.dropLast().last
    let before = previous.flatMap { record.classIoU(epoch: $0, split: "val") }
    let rows = record.classes.map { style in
      let (new, old) = (values[style.name], before?[style.name])
      return Bars.Row(
        name: style.name, color: style.color, values: [new] + (before == nil ? [] : [old]), mark: old,
        extra: before == nil ? [] : [Figures.points(new.flatMap { new in old.map { new - $0 } })])
    }
    return HTMLBuilder.content {
      HTML.tag("p") {
        if let previous, before != nil {
          "IoU on the validation split: the bar is the best model, after epoch \(best), the mark on it the best one "
          "before, after epoch \(previous). A dash is a class in neither ground truth nor prediction."
        } else {
          "IoU on the validation split after epoch \(best), whose model is the best. A dash is a class in neither ground "
          "truth nor prediction."
        }
      }
      Bars(
        caption: "IoU by class, %", columns: ["epoch \(best)"] + (before == nil ? [] : ["epoch \(previous ?? 0)"]),
        extraColumns: before == nil ? [] : ["change, points"], rows: rows
      ).html
      classCurves
    }
  }

  /// A small chart for each class, all on the same axes.
  private var classCurves: [HTML] {
    let charts = record.classes.compactMap { style in
      record.classIoU(of: style.name, split: "val").map {
        LineChart(title: style.name, unit: "", curves: [Curve(style.name, $0)], limits: 0...100, swatch: style.color)
      }
    }
    return HTMLBuilder.content {
      if !charts.isEmpty {
        HTML.tag("h3") { "IoU of the validation by epoch, %" }
        HTML.tag("div", ["class": "charts small"]) { for chart in charts { chart.html } }
      }
    }
  }

  /// The figures of the best model alone, where there are none by epoch.
  private func classesOfValidation(_ missing: MissingFigures) -> [HTML] {
    HTMLBuilder.content {
      HTML.missing("\(missing)")
      if let figures = try? record.validation.get() {
        Bars(
          caption: "IoU by class of the best model, %", columns: ["IoU"],
          rows: record.classes.map {
            Bars.Row(name: $0.name, color: $0.color, values: [figures.classes[$0.name]?.iou])
          }
        ).html
      }
    }
  }

  // MARK: - The best model's validation

  private func evaluation(_ content: (EvaluationSections) -> [HTML]) -> [HTML] {
    do {
      let figures = try record.validation.get()
      return content(try EvaluationSections(figures, classes: record.classes, source: record.paths.validation))
    } catch {
      return [.missing("\(error)")]
    }
  }

  private var gallery: [HTML] {
    let figures: EvaluationFigures
    do { figures = try record.validation.get() } catch { return [.missing("\(error)")] }
    let table = record.table
    do {
      let images = try WorstImages(figures, of: record, table, dataPath: dataPath).images
      guard !images.isEmpty else { return [.missing("No image of the validation split has a labeled pixel.")] }
      return Gallery(images: images, classes: ClassStyle.list(table), palette: table.palette).html
    } catch {
      let names = (figures.worstImages ?? []).map { "\($0.image): mean class IoU \(Figures.percent($0.meanClassIoU))" }
      return HTMLBuilder.content {
        HTML.missing("\(error)")
        HTML.tag("ul") { for name in names { HTML.tag("li") { name } } }
      }
    }
  }

  // MARK: - Time, options

  private var time: [HTML] {
    do {
      let steps = try record.steps.get()
      let parts = try PartsOfStep(steps, imagesPerStep: record.imagesPerStep, path: record.paths.steps)
      let curves = PartsOfStep.columns.compactMap { record.curve($0.0, $0.1) }
      return HTMLBuilder.content {
        HTML.tag("p") {
          "Loading is waiting for images; communication is waiting, after the backward pass, for gradients that are not "
          "yet all-reduced; forward and backward contain the all-reduces of batch statistics."
        }
        parts.html()
        LineChart(title: "Seconds of a step by part", unit: "s, rank 0", curves: curves).html
      }
    } catch {
      return [.missing("\(error)")]
    }
  }

  private var options: [HTML] {
    do {
      let options = try record.options.get()
      let standard = Dictionary(TrainingOptions.settings(ofConfiguration: TrainingOptions().configuration)) { $1 }
      return HTMLBuilder.content {
        HTML.tag("p") { "Those in bold type differ from the default." }
        HTML.pairs(
          "Options", ["option", "value"],
          options.map { ([$0.option, $0.value], standard[$0.option] != $0.value) })
      }
    } catch {
      return [.missing("\(error)")]
    }
  }
}
