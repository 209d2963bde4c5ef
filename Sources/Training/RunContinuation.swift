import Foundation
import Glibc
import System
import Weights

/// A run that continues from another run's checkpoint, in a folder of its own.
struct RunContinuation {
  /// Of the run that continues.
  let paths: RunPaths
  /// Of the run that the checkpoint belongs to.
  private let source: RunPaths

  /// - Returns: `nil` if the checkpoint lies in the run's own folder, or in no run's folder.
  init?(of checkpoint: String, in paths: RunPaths) {
    guard let checkpoint = Self.resolved(checkpoint), let source = RunPaths(ofCheckpoint: checkpoint),
      Self.resolved(source.checkpoints) != Self.resolved(paths.checkpoints)
    else { return nil }
    self.paths = paths
    self.source = source
  }

  /// Copies what the run has written up to the checkpoint: its steps, its curves, and its best model with that model's predictions,
  /// if the model is still the one that was the best then. What is there already stays.
  ///
  /// - Throws: `TrainingError`.
  func copyResults(_ state: TrainingState) throws {
    // The steps after the checkpoint are removed when the files are opened.
    try copy(source.steps, to: paths.steps)
    try copy(source.tensorBoard, to: paths.tensorBoard)
    if let best = state.bestAverageScore, RunPaths.score(of: source.averageModel) == best {
      try copy(source.averageModel, to: paths.averageModel)
    }
    guard let best = state.bestScore, RunPaths.score(of: source.model) == best,
      !FileManager.default.fileExists(atPath: paths.model)
    else { return }
    for split in ["val", "test"] { try copy(source.predictions(split), to: paths.predictions(split)) }
    try copy(source.validation, to: paths.validation)
    try copy(source.model, to: paths.model)
  }

  /// Copies a file or a folder; the copy appears when it is complete.
  private func copy(_ old: String, to new: String) throws {
    let files = FileManager.default
    guard files.fileExists(atPath: old), !files.fileExists(atPath: new) else { return }
    let temporary = "\(FileSystem.parent(of: new))/.\(FileSystem.name(of: new)).copy"
    do {
      if files.fileExists(atPath: temporary) { try files.removeItem(atPath: temporary) }
      try files.copyItem(atPath: old, toPath: temporary)
      try FileSystem().rename(temporary, to: new)
    } catch {
      try? files.removeItem(atPath: temporary)
      throw TrainingError(
        "\(new): cannot be copied from \(old) (\(error.posixMessage)); make room, or give another --save-path")
    }
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}

extension RunPaths {
  /// The figure of the best weights, as their file says; `nil` if there is no such file or it does not say so.
  static func score(of path: String) -> Double? {
    guard let metadata = (try? Safetensors(contentsOf: path))?.metadata else { return nil }
    return (metadata[CheckpointManager.scoreKey] ?? metadata[CheckpointManager.meanIoUKey]).flatMap(Double.init)
  }
}
