import Foundation
import System

/// Several runs side by side, from their files alone.
package struct ComparisonReport {
  private let runs: [(name: String, record: RunRecord)]

  private let output: String?

  /// - Parameter output: where the page is written, if the user has said so.
  package init(_ records: [RunRecord], output: String? = nil) {
    self.output = output
    let prefixes = records.map(\.paths.prefix)
    let names = prefixes.map { FileSystem.name(of: $0) }
    let folders = prefixes.map { FileSystem.name(of: FileSystem.parent(of: $0)) }
    let both = zip(folders, names).map { "\($0)/\($1)" }
    // The shortest names that differ.
    let distinct = [names, folders, both].first { Set($0).count == $0.count } ?? prefixes
    runs = zip(distinct, records).map { ($0, $1) }
  }

  /// The HTML document.
  package var text: String {
    Page(
      title: "Comparison of \(runs.count) trainings", subtitle: runs.map(\.name).joined(separator: ", "),
      sections: [
        Section("summary", "Summary") { summary },
        Section("curves", "Curves") { RunCurves(runs: runs).html },
        Section("classes", "Classes") { classes },
        Section("time", "Time of a step") { time },
        Section("options", "Options") { options },
        Section("ranks", "Ranks") { perRun { Provenance(record: $0).ranks(of: $1) } },
        Section("reproduce", "Reproduce them") {
          perRun { record, _ in Provenance(record: record).commands() } + pageCommand
        },
      ]
    ).text
  }

  private var pageCommand: [HTML] {
    let words = ["gscnn", "report"] + runs.map(\.record.prefix) + (output.map { ["--output", $0] } ?? [])
    return [.tag("h3") { "This page" }, .command(Shell.quoted(words))]
  }

  private func perRun(_ content: (RunRecord, String) -> [HTML]) -> [HTML] {
    runs.flatMap { run in [HTML.tag("h3") { run.name }] + content(run.record, run.name) }
  }

  private var summary: [HTML] {
    HTMLBuilder.content {
      HTML.scrolling("Figures of the runs") {
        HTML.tag("table", ["class": "numbers"]) {
          HTML.tag("caption") { "The best model of each run, on its validation split" }
          HTML.header([
            "run", "class mIoU", "category mIoU", "pixel accuracy", "boundary F", "best epoch", "epochs", "time",
            "images/s",
          ])
          HTML.tag("tbody") { for (index, run) in runs.enumerated() { line(index, run.name, RunFigures(run.record)) } }
        }
      }
      for sentence in runs.flatMap(\.record.damage) { HTML.missing(sentence) }
    }
  }

  private func line(_ index: Int, _ name: String, _ figures: RunFigures) -> HTML {
    .tag("tr") {
      HTML.tag("th", ["scope": "row"]) {
        HTML.tag("span", ["class": "swatch s\(index % LineChart.styles + 1)", "aria-hidden": "true"])
        name
      }
      for value in [figures.classIoU, figures.categoryIoU, figures.pixelAccuracy, figures.boundaryF] {
        HTML.tag("td", ["data-value": value.map(Figures.exact)]) { Figures.percent(value) }
      }
      HTML.tag("td") { figures.best.map { "\($0)" } ?? "–" }
      HTML.tag("td") { figures.epochs.map { "\(figures.finishedEpochs) of \($0)" } ?? "\(figures.finishedEpochs)" }
      HTML.tag("td") { figures.finishedEpochs > 0 ? Figures.duration(figures.seconds) : "–" }
      HTML.tag("td") { Figures.number(figures.imagesPerSecond) }
    }
  }

  private var classes: [HTML] {
    let values = runs.map { run in
      run.record.bestEpochs.last.flatMap { run.record.classIoU(epoch: $0, split: "val") }
        ?? (try? run.record.validation.get())?.classes.compactMapValues(\.iou)
    }
    var names: [String] = []
    for run in runs {
      for style in run.record.classes where !names.contains(style.name) { names.append(style.name) }
    }
    let missing = zip(runs, values).filter { $0.1 == nil }.map(\.0.name)
    return HTMLBuilder.content {
      for name in missing {
        HTML.missing(
          "\(name) has no figures by class: no epoch of it is validated yet, or it is of an earlier version of gscnn.")
      }
      if missing.count < runs.count {
        Bars(
          caption: "IoU by class of the best model of each run, %", columns: runs.map(\.name),
          rows: names.map { name in
            Bars.Row(name: name, color: nil, values: values.map { $0?[name] })
          }
        ).html
      }
    }
  }

  private var time: [HTML] {
    runs.flatMap { run -> [HTML] in
      [HTML.tag("h3") { run.name }]
        + HTMLBuilder.content {
          switch parts(run.record) {
          case .success(let parts): parts.html(of: run.name)
          case .failure(let missing): HTML.missing("\(missing)")
          }
        }
    }
  }

  private func parts(_ record: RunRecord) -> Result<PartsOfStep, MissingFigures> {
    record.steps.flatMap { steps in
      Result { () throws(MissingFigures) in
        try PartsOfStep(steps, imagesPerStep: record.imagesPerStep, path: record.paths.steps)
      }
    }
  }

  private var options: [HTML] {
    let settings = runs.map { run in
      (try? run.record.options.get()).map { Dictionary($0.map { ($0.option, $0.value) }) { first, _ in first } }
    }
    var names: [String] = []
    for run in runs {
      for setting in (try? run.record.options.get()) ?? [] where !names.contains(setting.option) {
        names.append(setting.option)
      }
    }
    let differing = names.filter { name in Set(settings.compactMap(\.self).map { $0[name] }).count > 1 }
    return HTMLBuilder.content {
      for run in runs {
        if case .failure(let missing) = run.record.options { HTML.missing("\(missing)") }
      }
      if differing.isEmpty {
        HTML.tag("p") { "All runs have the same options." }
      } else {
        HTML.tag("p") { "Those that differ; all others are the same." }
        HTML.pairs(
          "Options that differ", ["option"] + runs.map(\.name),
          differing.map { name in ([name] + settings.map { $0?[name] ?? "–" }, false) })
      }
    }
  }
}
