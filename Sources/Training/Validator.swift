import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Metrics
import Tensors

/// Validates an epoch, tests a best model, and draws what they predict.
struct Validator {
  let options: TrainingOptions
  let files: RunPaths
  let model: GatedSCNN
  let workers: WorkerPool
  let communicator: Communicator
  let data: TrainingDataset

  /// Evaluates a split and draws its predictions aside; `adopt` puts them in place of those of the best model before.
  ///
  /// - Returns: `nil` where a signal cut it short.
  func evaluate(
    _ split: Split, cancelled: () -> Bool, notify: (TrainingEvent) throws -> Void
  ) throws -> Evaluation? {
    let samples = split == .val ? data.validation : data.test
    let folder = pending(split)
    if options.validators == .all || communicator.rank == 0 { try PredictionWriter.make(folder) }
    return try Evaluator(model, workers: workers, communicator: communicator, validators: options.validators).evaluate(
      samples, of: split,
      predicted: { sample, trainIds, size in
        if split == .val {
          try PredictionWriter.writeColors(trainIds, size, of: sample, to: folder)
        } else {
          try PredictionWriter.writeIds(trainIds, size, of: sample, to: folder)
        }
      },
      imageEvaluated: { done, total in try notify(.imageEvaluated(split, done: done, of: total)) }, cancelled: cancelled)
  }

  /// Makes the predictions drawn last those of the best model.
  func promote(_ split: Split) throws {
    guard communicator.rank == 0 else { return }
    let place = files.predictions(split.rawValue)
    do {
      let manager = FileManager.default
      if manager.fileExists(atPath: place) { try manager.removeItem(atPath: place) }
      try manager.moveItem(atPath: pending(split), toPath: place)
    } catch {
      throw TrainingError(
        "\(place): the predictions cannot be put there (\(error.reason)); make the folder writable")
    }
  }

  /// Lets go of predictions that are not those of a best model.
  func discard(_ split: Split) {
    if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: pending(split)) }
  }

  private func pending(_ split: Split) -> String { files.predictions(".\(split.rawValue)-pending") }
}

extension EpochReport {
  init(
    epoch: Int, of running: TrainingState.RunningEpoch, loading: Loader.Statistics, validation: Evaluation?, rate: Double,
    batchSize: Int
  ) {
    self.init(
      epoch: epoch + 1,
      train: Figures(loss: running.lossSum / Double(max(running.steps, 1)), SegmentationMetrics(running.confusion)),
      validation: validation.map { Figures(loss: $0.loss, $0.metrics) }, learningRate: rate, seconds: running.seconds,
      imagesPerSecond: Double(running.steps * batchSize) / max(running.seconds, 1e-9), loading: loading)
  }
}

extension EpochReport.Figures {
  init(loss: Double, _ metrics: SegmentationMetrics) {
    self.init(
      loss: loss, pixelAccuracy: metrics.pixelAccuracy, meanAccuracy: metrics.meanAccuracy,
      meanClassIoU: metrics.meanClassIoU, meanCategoryIoU: metrics.meanCategoryIoU)
  }
}
