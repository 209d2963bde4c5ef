import Foundation
import System

/// Writes `P_statistics.csv`: one line per epoch, with the columns of the reference implementation and three more, and
/// those of the average of weights if there is one; those of category mIoU are empty if the data set has no categories.
package final class StatisticsFile: TrainingObserver {
  private static let header =
    "epoch,train_loss,val_loss,train_PA,val_PA,train_mPA,val_mPA,train_class_mIOU,val_class_mIOU,"
    + "train_category_mIOU,val_category_mIOU,learning_rate,seconds,images_per_second"
  private static let averageHeader =
    ",ema_val_loss,ema_val_PA,ema_val_mPA,ema_val_class_mIOU,ema_val_category_mIOU"
  private let path: String
  private let warn: (String) -> Void
  private var rows: [EpochReport]
  /// Whether the file has all rows.
  private var isCurrent = false

  /// - Parameters:
  ///   - rows: the finished epochs of a resumed run.
  ///   - warn: receives a line about what cannot be written.
  package init(
    path: String, rows: [EpochReport], warn: @escaping (String) -> Void = { StandardError.write("gscnn: \($0)\n") }
  ) {
    self.path = path
    self.rows = rows
    self.warn = warn
  }

  package func observe(_ event: TrainingEvent) throws {
    switch event {
    // A resumed run writes the rows that it has: the file may be damaged or of an earlier moment.
    case .started, .stopped, .finished: if !isCurrent, !rows.isEmpty { write() }
    case .epochFinished(let report, _, _):
      rows.append(report)
      write()
    default: break
    }
  }

  /// Writes all rows. If that fails, they are written with those of the next epoch.
  private func write() {
    let hasAverage = rows.contains { $0.average != nil }
    let header = Self.header + (hasAverage ? Self.averageHeader : "")
    let lines = rows.map { Self.line($0) + (hasAverage ? "," + Self.average($0) : "") }
    let text = ([header] + lines).joined(separator: "\n") + "\n"
    do {
      try FileSystem().replaceFile(path, with: text.utf8)
      isCurrent = true
    } catch {
      isCurrent = false
      warn("\(error); training goes on, and all epochs are written again after the next one, or by --resume auto")
    }
  }

  private static func field(_ value: Double?, percent: Bool) -> String {
    value.map { String(format: percent ? "%.4f" : "%.9g", $0 * (percent ? 100 : 1)) } ?? ""
  }

  /// The columns of the average of weights.
  private static func average(_ row: EpochReport) -> String {
    let scores = row.average
    let percents = [
      scores?.pixelAccuracy, scores?.meanAccuracy, scores?.meanClassIoU, scores.flatMap(\.meanCategoryIoU),
    ]
    return ([field(scores?.loss, percent: false)] + percents.map { field($0, percent: true) }).joined(separator: ",")
  }

  private static func line(_ row: EpochReport) -> String {
    func pair(_ score: (EpochReport.Scores) -> Double?, percent: Bool) -> [String] {
      [row.train, row.validation].map { scores in field(scores.flatMap(score), percent: percent) }
    }
    // One addition per statement: Swift 6.0 cannot type-check a single long sum.
    var fields = ["\(row.epoch)"]
    fields += pair(\.loss, percent: false)
    fields += pair(\.pixelAccuracy, percent: true)
    fields += pair(\.meanAccuracy, percent: true)
    fields += pair(\.meanClassIoU, percent: true)
    fields += pair(\.meanCategoryIoU, percent: true)
    fields.append(String(format: "%.9g", row.learningRate))
    fields.append(String(format: "%.2f", row.seconds))
    fields.append(String(format: "%.4g", row.imagesPerSecond))
    return fields.joined(separator: ",")
  }
}
