import Foundation
import System

/// The table of an epoch on the screen and in logs: its figures, what changed since the best epoch before it, and the
/// classes that gained and lost most.
struct EpochSummary {
  let report: EpochReport
  /// The epochs before it.
  let earlier: [EpochReport]
  /// By which a validation is the best.
  let bestFigure: BestFigure
  /// Names of the classes, by train id.
  let classes: [String]
  let isBest: Bool
  let isBestAverage: Bool
  /// The most that a line can have; figures and classes that do not fit are left out.
  let columns: Int

  /// The most classes named as gaining, and as losing.
  private static let mostClasses = 3

  private struct Figure {
    let title: String
    let value: (EpochReport.Scores) -> Double?
    /// A fraction, shown in percent.
    var isShare = true
  }

  /// Those that a row has.
  private var figures: [Figure] {
    let all = [
      Figure(title: "loss", value: { $0.loss }, isShare: false), Figure(title: "PA", value: { $0.pixelAccuracy }),
      Figure(title: "mPA", value: { $0.meanAccuracy }), Figure(title: "class mIoU", value: { $0.meanClassIoU }),
      Figure(title: "category", value: { $0.meanCategoryIoU }),
      Figure(title: "boundary F", value: { $0.boundaryF?.first?.mean }),
    ]
    let rows = [report.train, report.validation, report.average].compactMap(\.self)
    return all.filter { figure in rows.contains { figure.value($0) != nil } }
  }

  /// The best of the epochs before this one, by the figure of one of their splits.
  private func best(_ split: (EpochReport) -> EpochReport.Scores?) -> EpochReport? {
    earlier.reduce(nil as EpochReport?) { best, epoch in
      guard let value = split(epoch).flatMap(bestFigure.value) else { return best }
      return bestFigure.isBetter(value, than: best.flatMap(split).flatMap(bestFigure.value)) ? epoch : best
    }
  }

  var lines: [String] {
    let figures = figures
    var rows = [[""] + figures.map(\.title)]
    var notes = [""]
    func add(_ name: String, _ split: (EpochReport) -> EpochReport.Scores?, since other: EpochReport?, note: String) {
      guard let scores = split(report) else { return }
      rows.append(["  \(name)"] + figures.map { Self.text($0, $0.value(scores)) })
      notes.append(note)
      guard let other, let before = split(other) else { return }
      rows.append(
        ["  vs \(other.epoch)"]
          + figures.map { figure in
            Self.change(figure, figure.value(scores).flatMap { now in figure.value(before).map { now - $0 } })
          })
      notes.append("")
    }
    let best = best(\.validation)
    add("train", \.train, since: earlier.last, note: "")
    add("val", \.validation, since: best, note: isBest ? "  best so far" : "")
    add("ema", \.average, since: self.best(\.average), note: isBestAverage ? "  best so far" : "")
    let width = columns - (notes.map(\.count).max() ?? 0)
    return zip(TextTable(rows).lines(columns: width), notes).map { $0 + $1 } + changes(since: best)
  }

  // MARK: - Numbers

  private static func text(_ figure: Figure, _ value: Double?) -> String {
    guard let value else { return "-" }
    guard figure.isShare else { return String(loss: value) }
    return value.isNaN ? "nan" : String(format: "%.2f", value * 100)
  }

  private static func change(_ figure: Figure, _ value: Double?) -> String {
    guard let value, value.isFinite else { return "-" }
    return figure.isShare ? String(format: "%+.2f", value * 100) : (value < 0 ? "" : "+") + String(loss: value)
  }

  // MARK: - Classes

  /// The classes of the validation whose IoU changed most since another epoch, a line for gains and one for losses.
  private func changes(since other: EpochReport?) -> [String] {
    guard let now = report.validation?.classIoU, let other, let before = other.validation?.classIoU,
      now.count == before.count, now.count == classes.count
    else { return [] }
    let changes = classes.indices.compactMap { index -> (name: String, change: Double, now: Double)? in
      guard let new = now[index], let old = before[index] else { return nil }
      return (classes[index], 100 * (new - old), 100 * new)
    }
    // What the text would show as no change is none.
    let gained = changes.filter { $0.change >= 0.005 }.sorted { ($1.change, $0.name) < ($0.change, $1.name) }
    let lost = changes.filter { $0.change <= -0.005 }.sorted { ($0.change, $0.name) < ($1.change, $1.name) }
    return [("gained", gained), ("lost", lost)].compactMap { title, classes in
      guard !classes.isEmpty else { return nil }
      let parts = classes.prefix(Self.mostClasses).map {
        "\($0.name) " + String(format: "%+.2f to %.2f", $0.change, $0.now)
      }
      let start = "  \(title) since epoch \(other.epoch): "
      return (1...parts.count).map { start + parts.prefix($0).joined(separator: ", ") }
        .last { $0.terminalColumns <= columns } ?? (start + parts[0]).prefix(terminalColumns: columns)
    }
  }
}
