import Foundation

/// The curves of one or several runs.
struct RunCurves {
  let runs: [(name: String, record: RunRecord)]

  private var isComparison: Bool { runs.count > 1 }

  var html: [HTML] {
    let missing = runs.flatMap { run -> [String] in
      [run.record.statistics, run.record.steps].compactMap { table in
        if case .failure(let missing) = table { "\(missing)" } else { nil }
      }
    }
    return HTMLBuilder.content {
      for sentence in missing { HTML.missing(sentence) }
      HTML.tag("div", ["class": "charts"]) {
        for chart in isComparison ? comparison : single { chart.html }
      }
    }
  }

  // MARK: - One run

  private var single: [LineChart] {
    let record = runs[0].record
    var charts = [
      LineChart(
        title: "Class mIoU", unit: "%",
        curves: [
          epochs(record, "train_class_mIOU", "train"), epochs(record, "val_class_mIOU", "val"),
          epochs(record, "ema_val_class_mIOU", "val, average of weights"),
        ].compactMap(\.self), missing: "There is no finished epoch yet."),
      LineChart(
        title: "Loss", unit: "mean of the epoch",
        curves: [
          epochs(record, "train_loss", "train"), epochs(record, "val_loss", "val"),
          epochs(record, "ema_val_loss", "val, average of weights"),
        ].compactMap(\.self), missing: "There is no finished epoch yet."),
      LineChart(
        title: "Parts of the loss", unit: "training",
        curves: [
          ("loss", "total"), ("semantic", "semantic"), ("edge", "edge"), ("task", "task"), ("dual", "dual task"),
        ]
        .compactMap { steps(record, $0.0, $0.1) }, missing: "There is no step yet."),
      LineChart(
        title: "Boundary F-score", unit: "% by distance", curves: boundaryCurves(record),
        missing: "Boundaries are measured with each validation; earlier versions of gscnn did not in a training."),
      LineChart(
        title: "Learning rate", unit: "",
        curves: [steps(record, "learning_rate", "learning rate") ?? epochs(record, "learning_rate", "learning rate")]
          .compactMap(\.self), missing: "There is no step yet."),
      LineChart(
        title: "Gradient norm", unit: "of the mean gradient",
        curves: [steps(record, "gradient_norm", "gradient norm")].compactMap(\.self), missing: "There is no step yet."),
      LineChart(
        title: "Speed", unit: "images per second, all ranks",
        curves: [
          steps(record, "images_per_second", "images per second")
            ?? epochs(record, "images_per_second", "images per second")
        ].compactMap(\.self), missing: "There is no step yet."),
    ]
    if charts[1].curves.isEmpty, !charts[2].curves.isEmpty { charts.remove(at: 1) }
    return charts
  }

  /// Of each threshold in the statistics.
  private func boundaryCurves(_ record: RunRecord) -> [Curve] {
    guard let columns = (try? record.statistics.get())?.columns else { return [] }
    return columns.filter { $0.hasPrefix("val_boundary_F_") }.compactMap { column in
      let number = Double(column.dropFirst("val_boundary_F_".count))
      let threshold = number.flatMap { (0...1e6).contains($0) ? $0 : nil }
      let name = threshold.map {
        $0 < 1 ? "within \(Figures.number($0 * 100)) % of the diagonal" : "within \(Int($0)) px"
      }
      return epochs(record, column, name ?? column)
    }
  }

  // MARK: - Several runs

  private var comparison: [LineChart] {
    [
      chart("Class mIoU", "%, validation") { epochs($1, "val_class_mIOU", $0) },
      chart("Training loss", "mean of the epoch") { epochs($1, "train_loss", $0) },
      chart("Validation loss", "mean of the images") { epochs($1, "val_loss", $0) },
      chart("Boundary F-score", "%, largest distance") { name, record in
        boundaryCurves(record).last.map { Curve(name, $0.points.map { ($0.x, $0.y) }) }
      },
      chart("Learning rate", "") { steps($1, "learning_rate", $0) ?? epochs($1, "learning_rate", $0) },
      chart("Gradient norm", "of the mean gradient") { steps($1, "gradient_norm", $0) },
      chart("Speed", "images per second, all ranks") {
        steps($1, "images_per_second", $0) ?? epochs($1, "images_per_second", $0)
      },
    ]
  }

  private func chart(_ title: String, _ unit: String, _ curve: (String, RunRecord) -> Curve?) -> LineChart {
    let curves = runs.enumerated().compactMap { index, run in
      curve(run.name, run.record).map { (index: index, curve: $0) }
    }
    return LineChart(
      title: title, unit: unit, curves: curves.map(\.curve), missing: "No run has these figures yet.",
      colors: curves.map(\.index))
  }

  // MARK: - Columns

  /// A column of the statistics over the epochs; nil if it is empty or not there.
  private func epochs(_ record: RunRecord, _ column: String, _ name: String) -> Curve? {
    guard let table = try? record.statistics.get(), let values = table.numbers(column),
      let epochs = table.numbers("epoch")
    else { return nil }
    return curve(name, zip(epochs, values).map { ($0 ?? 0, $1) })
  }

  /// A column of the steps, with the part of the training that is done as epochs.
  private func steps(_ record: RunRecord, _ column: String, _ name: String) -> Curve? { record.curve(column, name) }

  private func curve(_ name: String, _ values: [(x: Double, y: Double?)]) -> Curve? {
    values.contains { $0.y != nil } ? Curve(name, values) : nil
  }
}

extension RunRecord {
  /// A column of the steps over the epochs: step 5 of 10 of the third epoch is at 2.5. Nil if the column is empty or not
  /// there.
  func curve(_ column: String, _ name: String) -> Curve? {
    guard let table = try? steps.get(), let values = table.numbers(column), let epochs = table.numbers("epoch"),
      let steps = table.numbers("step"), values.contains(where: { $0 != nil })
    else { return nil }
    let known = (try? description.get()).map { Double($0.stepsPerEpoch) } ?? 0
    let perEpoch = max(known, steps.compactMap(\.self).max() ?? 1)
    return Curve(
      name, values.indices.map { (((epochs[$0] ?? 1) - 1) + (steps[$0] ?? 0) / perEpoch, values[$0]) })
  }
}
