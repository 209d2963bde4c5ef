import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Inference
import System
import Tensors

/// Validates the model after an epoch and writes its predictions. `TrainingOptions.validators` decides which ranks
/// validate.
struct Validator {
  let options: TrainingOptions
  let paths: RunPaths
  let model: GatedSCNN
  let workers: WorkerPool
  let communicator: Communicator
  let dataset: TrainingDataset

  /// Evaluates a split and writes its predictions to a pending folder, until `promote` or `discard` is called. Collective.
  ///
  /// - Returns: `nil` if cancelled.
  func evaluate(
    _ split: Split, cancelled: () -> Bool, notify: (TrainingEvent) throws -> Void
  ) throws -> Evaluation? {
    let samples = split == .val ? dataset.validation : dataset.test
    let folder = pending(split)
    if options.validators == .all || communicator.rank == 0 { try PredictionWriter.createFolder(folder) }
    return try Evaluator(model, workers: workers, communicator: communicator, validators: options.validators).evaluate(
      samples, of: split,
      predicted: { sample, trainIds, size in
        if split == .val {
          try PredictionWriter.writeColors(trainIds, size, of: sample, to: folder)
        } else {
          try PredictionWriter.writeLabelIds(trainIds, size, of: sample, to: folder, suffix: "color")
        }
      },
      imageEvaluated: { done, total in try notify(.imageEvaluated(split, done: done, of: total)) }, cancelled: cancelled
    )
  }

  /// Replaces the predictions of the previous best model by the pending ones.
  func promote(_ split: Split) throws {
    guard communicator.rank == 0 else { return }
    let folder = paths.predictions(split.rawValue)
    do {
      // A folder that is not empty cannot be replaced by a rename.
      if FileManager.default.fileExists(atPath: folder) { try FileManager.default.removeItem(atPath: folder) }
      try FileSystem().rename(pending(split), to: folder)
    } catch {
      throw TrainingError(
        "\(folder): the predictions cannot be moved there (\(error.posixMessage)); make the folder writable")
    }
  }

  /// Removes the pending predictions.
  func discard(_ split: Split) {
    if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: pending(split)) }
  }

  private func pending(_ split: Split) -> String { paths.predictions(".\(split.rawValue)-pending") }
}
