import Foundation
import Training

/// The figures of a run that say how good it is and how far.
struct RunFigures {
  /// The epoch of the best model.
  let best: Int?
  /// Of the best model: from the statistics.
  let classIoU: Double?
  let categoryIoU: Double?
  let pixelAccuracy: Double?
  /// At the largest distance.
  let boundaryF: Double?
  /// Of the best average of weights.
  let average: (epoch: Int, classIoU: Double)?
  let finishedEpochs: Int
  let epochs: Int?
  /// Seconds of the finished epochs' steps.
  let seconds: Double
  /// The mean over the finished epochs, or over the steps before the first one is finished.
  let imagesPerSecond: Double?
  let steps: Int

  private let figure: BestFigure
  private let figureValue: Double?

  init(_ record: RunRecord) {
    let best = record.bestEpochs.last
    self.best = best
    func value(_ column: String) -> Double? { best.flatMap { record.figure(column, epoch: $0) } }
    classIoU = value("val_class_mIOU")
    categoryIoU = value("val_category_mIOU")
    pixelAccuracy = value("val_PA")
    let statistics = try? record.statistics.get()
    boundaryF = statistics?.columns.last { $0.hasPrefix("val_boundary_F_") }.flatMap(value)
    average = record.bestEpochsOfAverage.last.flatMap { epoch in
      record.figure("ema_val_class_mIOU", epoch: epoch).map { (epoch, $0) }
    }
    finishedEpochs = Int(statistics?.numbers("epoch")?.compactMap(\.self).max() ?? 0)
    let described = (try? record.description.get())?.epochs
    epochs = described ?? record.option("--epochs").flatMap { Int($0) }
    func finite(_ column: String, _ table: CSVTable?) -> [Double] {
      (table?.numbers(column) ?? []).compactMap(\.self).filter { $0.isFinite && $0 >= 0 }
    }
    seconds = finite("seconds", statistics).reduce(0, +)
    let steps = try? record.steps.get()
    self.steps = steps?.rows.count ?? 0
    let speeds = finite("images_per_second", finishedEpochs > 0 ? statistics : steps)
    imagesPerSecond = speeds.isEmpty ? nil : speeds.reduce(0, +) / Double(speeds.count)
    figure = record.bestFigure
    figureValue = figure == .loss ? value("val_loss") : figure == .meanAccuracy ? value("val_mPA") : nil
  }

  var tiles: [(title: String, value: String, note: String, exact: Double?)] {
    var tiles: [(title: String, value: String, note: String, exact: Double?)] = []
    if let best {
      let after = "validation, after epoch \(best)"
      if let figureValue {
        tiles.append(
          (
            "Best \(figure == .loss ? "loss" : "mean accuracy")",
            figure == .loss ? Figures.number(figureValue) : Figures.percent(figureValue), after, figureValue
          ))
      }
      tiles.append((figureValue == nil ? "Best class mIoU" : "Class mIoU", Figures.percent(classIoU), after, classIoU))
      if let categoryIoU { tiles.append(("Category mIoU", Figures.percent(categoryIoU), after, categoryIoU)) }
      tiles.append(("Pixel accuracy", Figures.percent(pixelAccuracy), after, pixelAccuracy))
      if let boundaryF { tiles.append(("Boundary F-score", Figures.percent(boundaryF), "largest distance", boundaryF)) }
    }
    if let average {
      tiles.append(
        (
          "Class mIoU, average of weights", Figures.percent(average.classIoU),
          "validation, after epoch \(average.epoch)",
          average.classIoU
        ))
    }
    tiles.append(
      (
        "Epochs", epochs.map { "\(finishedEpochs) of \($0)" } ?? "\(finishedEpochs)",
        Figures.count(steps, "step"), Double(finishedEpochs)
      ))
    if finishedEpochs > 0 { tiles.append(("Time", Figures.duration(seconds), "of training steps", seconds)) }
    if let imagesPerSecond {
      tiles.append(("Speed", Figures.number(imagesPerSecond), "images per second, all ranks", imagesPerSecond))
    }
    return tiles
  }
}
