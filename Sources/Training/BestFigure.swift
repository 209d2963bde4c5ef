import Foundation

/// The figure of a validation by which a model is better than another (`--save-best`).
package enum BestFigure: String, Codable, Sendable, CaseIterable {
  case classIoU = "class-miou"
  case categoryIoU = "category-miou"
  case pixelAccuracy = "pixel-accuracy"
  case meanAccuracy = "mean-accuracy"
  case loss

  /// As lines of progress name it.
  package var title: String {
    switch self {
    case .classIoU: "class mIoU"
    case .categoryIoU: "category mIoU"
    case .pixelAccuracy: "PA"
    case .meanAccuracy: "mPA"
    case .loss: "loss"
    }
  }

  /// - Returns: `nil` if there is no such figure, or it is not a number.
  package func value(of scores: EpochReport.Scores) -> Double? {
    // Logits of NaN have a class too: figures of a model whose loss is not a number mean nothing.
    guard scores.loss.isFinite else { return nil }
    let value: Double? =
      switch self {
      case .classIoU: scores.meanClassIoU
      case .categoryIoU: scores.meanCategoryIoU
      case .pixelAccuracy: scores.pixelAccuracy
      case .meanAccuracy: scores.meanAccuracy
      case .loss: scores.loss
      }
    return value.flatMap { $0.isFinite ? $0 : nil }
  }

  /// Whether a figure is better than the best so far.
  package func isBetter(_ value: Double, than best: Double?) -> Bool {
    guard let best else { return true }
    return self == .loss ? value < best : value > best
  }

  /// "63.93 %", or a loss as it is.
  package func text(_ value: Double) -> String {
    self == .loss ? String(format: "%.4f", value) : String(format: "%.2f %%", value * 100)
  }

  /// The validations since the last one with a better model, or since the first.
  package func validationsWithoutImprovement(in reports: [EpochReport]) -> Int {
    var (best, count) = (Double?.none, 0)
    for scores in reports.compactMap(\.validation) {
      if let value = value(of: scores), isBetter(value, than: best) {
        (best, count) = (value, 0)
      } else {
        count += 1
      }
    }
    return count
  }
}
