import Foundation
import System

/// Writes a file about the finished epochs, anew after each one.
package final class EpochsFile: TrainingObserver {
  private let path: String
  private let warn: (String) -> Void
  private let text: ([EpochReport]) -> String
  private var rows: [EpochReport]
  /// Whether the file has all rows.
  private var isCurrent = false

  /// - Parameters:
  ///   - rows: the finished epochs of a resumed run.
  ///   - warn: receives a line about what cannot be written.
  ///   - text: the content of the file.
  package init(
    path: String, rows: [EpochReport], warn: @escaping (String) -> Void = { StandardError.write("gscnn: \($0)\n") },
    text: @escaping ([EpochReport]) -> String
  ) {
    self.path = path
    self.rows = rows
    self.warn = warn
    self.text = text
  }

  package func observe(_ event: TrainingEvent) throws {
    switch event {
    // A resumed run writes the rows that it has: the file may be damaged, or have epochs that are gone on from no more.
    case .started: if !rows.isEmpty || FileSystem.exists(path) { write() }
    case .stopped, .finished: if !isCurrent, !rows.isEmpty { write() }
    case .epochFinished(let report, _, _):
      rows.append(report)
      write()
    default: break
    }
  }

  /// Writes all rows. If that fails, they are written with those of the next epoch.
  private func write() {
    do {
      try FileSystem().replaceFile(path, with: text(rows).utf8)
      isCurrent = true
    } catch {
      isCurrent = false
      warn("\(error); training goes on, and all epochs are written again after the next one, or by --resume auto")
    }
  }
}

/// The content of `P_statistics.csv`: one line per epoch, with the columns of the reference implementation and three
/// more, those of the boundary F-score, and those of the average of weights if there is one. Columns that an epoch or a
/// data set has no figure for are empty.
package enum StatisticsTable {
  private static let columns = [
    "epoch", "train_loss", "val_loss", "train_PA", "val_PA", "train_mPA", "val_mPA", "train_class_mIOU",
    "val_class_mIOU", "train_category_mIOU", "val_category_mIOU", "learning_rate", "seconds", "images_per_second",
  ]
  private static let averageColumns = [
    "ema_val_loss", "ema_val_PA", "ema_val_mPA", "ema_val_class_mIOU", "ema_val_category_mIOU",
  ]

  package static func text(_ rows: [EpochReport]) -> String {
    let hasAverage = rows.contains { $0.average != nil }
    // Checkpoints of an earlier version have no boundary F-score.
    let thresholds = rows.lazy.compactMap(\.validation?.boundaryF).first { !$0.isEmpty }?.map(\.threshold) ?? []
    let boundary = thresholds.map { "boundary_F_\($0)" }
    var header = columns + boundary.map { "val_" + $0 }
    if hasAverage { header += averageColumns + boundary.map { "ema_val_" + $0 } }
    let lines = rows.map { row in
      var fields = fields(row) + boundaryF(row.validation, thresholds)
      if hasAverage { fields += average(row.average) + boundaryF(row.average, thresholds) }
      return fields
    }
    return CSV.text([header] + lines)
  }

  private static func number(_ value: Double?) -> String { value.map { String(number: $0) } ?? "" }

  private static func boundaryF(_ scores: EpochReport.Scores?, _ thresholds: [Double]) -> [String] {
    thresholds.map { threshold in
      CSV.percent(scores?.boundaryF?.first { $0.threshold == threshold }.flatMap(\.mean))
    }
  }

  /// The columns of the average of weights.
  private static func average(_ scores: EpochReport.Scores?) -> [String] {
    let shares = [
      scores?.pixelAccuracy, scores?.meanAccuracy, scores?.meanClassIoU, scores.flatMap(\.meanCategoryIoU),
    ]
    return [number(scores?.loss)] + shares.map(CSV.percent)
  }

  private static func fields(_ row: EpochReport) -> [String] {
    func pair(_ score: (EpochReport.Scores) -> Double?, _ text: (Double?) -> String = CSV.percent) -> [String] {
      [row.train, row.validation].map { scores in text(scores.flatMap(score)) }
    }
    // One addition per statement: Swift 6.0 cannot type-check a single long sum.
    var fields = ["\(row.epoch)"]
    fields += pair(\.loss, number)
    fields += pair(\.pixelAccuracy)
    fields += pair(\.meanAccuracy)
    fields += pair(\.meanClassIoU)
    fields += pair(\.meanCategoryIoU)
    fields.append(number(row.learningRate))
    fields.append(String(format: "%.2f", row.seconds))
    fields.append(String(format: "%.4g", row.imagesPerSecond))
    return fields
  }
}

/// The content of `P_classes.csv`: the IoU of each class in percent, with one line per epoch and split; empty for a class
/// that neither ground truth nor prediction holds.
package enum ClassesTable {
  /// - Parameter classes: names, by train id.
  package static func text(_ rows: [EpochReport], classes: [String]) -> String {
    let lines = rows.flatMap { row in
      [("train", row.train), ("val", row.validation), ("ema", row.average)].compactMap { split, scores in
        scores?.classIoU.map { ["\(row.epoch)", split] + $0.map(CSV.percent) }
      }
    }
    return CSV.text([["epoch", "split"] + classes] + lines)
  }
}

/// Comma-separated values (RFC 4180, with line feeds alone).
private enum CSV {
  static func text(_ lines: [[String]]) -> String {
    lines.map { $0.map(quoted).joined(separator: ",") + "\n" }.joined()
  }

  /// In quotes if it would be read as something else.
  private static func quoted(_ field: String) -> String {
    guard field.unicodeScalars.contains(where: { ",\"\r\n".unicodeScalars.contains($0) }) else { return field }
    return "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  /// A share in percent; empty for nil.
  static func percent(_ share: Double?) -> String { share.map { String(format: "%.4f", $0 * 100) } ?? "" }
}
