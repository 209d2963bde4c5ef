import Foundation
import System

/// Writes `P_statistics.csv`: one line per epoch, with the columns of the reference implementation and three more.
package final class StatisticsFile: TrainingObserver {
  private static let header =
    "epoch,train_loss,val_loss,train_PA,val_PA,train_mPA,val_mPA,train_class_mIOU,val_class_mIOU,"
    + "train_category_mIOU,val_category_mIOU,learning_rate,seconds,images_per_second"
  private let path: String
  private var rows: [EpochReport]

  /// - Parameter rows: the finished epochs of a resumed run.
  package init(path: String, rows: [EpochReport]) {
    self.path = path
    self.rows = rows
  }

  package func observe(_ event: TrainingEvent) throws {
    guard case .epochFinished(let report, _) = event else { return }
    rows.append(report)
    let text = ([Self.header] + rows.map(Self.line)).joined(separator: "\n") + "\n"
    do {
      try FileSystem().replaceFile(path, with: text.utf8)
    } catch {
      throw TrainingError(
        "\(path): the statistics cannot be written (\(error.posixMessage)); free some space and resume")
    }
  }

  private static func line(_ row: EpochReport) -> String {
    func pair(_ score: (EpochReport.Scores) -> Double, percent: Bool) -> [String] {
      [row.train, row.validation].map { scores in
        scores.map { String(format: percent ? "%.4f" : "%.9g", score($0) * (percent ? 100 : 1)) } ?? ""
      }
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
