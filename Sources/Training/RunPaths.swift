import Glibc
import System

/// The files and folders that a run writes.
package struct RunPaths: Sendable {
  package let folder: String
  /// What the paths of the files begin with.
  package let prefix: String

  package init(_ options: TrainingOptions) {
    folder = options.savePath
    prefix = options.savePath + "/" + options.prefix
  }

  /// - Parameter prefix: what the paths of the files begin with, as `results/resnet50_512_512`.
  package init(prefix: String) {
    self.prefix = prefix
    folder = FileSystem.parent(of: prefix)
  }

  /// How the names of a run's small files end.
  private static let endings = [
    "_steps.csv", "_statistics.csv", "_classes.csv", "_run.json", "_options.yaml", "_validation.json",
  ]

  /// What the paths of a run begin with if a path is that of one of its small files.
  package static func prefix(ofFile path: String) -> String? {
    guard let ending = endings.first(where: { path.hasSuffix($0) }), FileSystem.exists(path) else { return nil }
    return String(path.dropLast(ending.count))
  }

  /// The paths of the run that a checkpoint belongs to.
  ///
  /// - Parameter folder: an absolute path.
  /// - Returns: `nil` if the checkpoint does not lie in `P/checkpoints`.
  init?(ofCheckpoint folder: String) {
    let checkpoints = FileSystem.parent(of: folder)
    guard FileSystem.name(of: checkpoints) == "checkpoints" else { return nil }
    prefix = FileSystem.parent(of: checkpoints)
    self.folder = FileSystem.parent(of: prefix)
  }

  /// The best model.
  package var model: String { prefix + "_model.safetensors" }
  /// A free name for the best weights of a training that a run has left behind when it went on from an earlier checkpoint.
  static func abandoned(_ path: String) -> String {
    let suffix = ".safetensors"
    let names = (1...).lazy.map { path.dropLast(suffix.count) + ".abandoned\($0 == 1 ? "" : "-\($0)")" + suffix }
    return names.first { !FileSystem.exists($0) } ?? path + ".abandoned"
  }
  /// The best average of the weights.
  package var averageModel: String { prefix + "_ema_model.safetensors" }
  /// The options of the run, a file for `--config`.
  package var options: String { prefix + "_options.yaml" }
  package var statistics: String { prefix + "_statistics.csv" }
  package var steps: String { prefix + "_steps.csv" }
  /// The IoU of each class, epoch by epoch.
  package var classes: String { prefix + "_classes.csv" }
  /// The figures of the best model's validation, as `gscnn evaluate --json` writes them.
  package var validation: String { prefix + "_validation.json" }
  /// Where, with what and since when the run runs: a `RunDescriptionFile`.
  package var description: String { prefix + "_run.json" }
  /// What the run is doing, for those who watch it.
  package var status: String { prefix + "/status.json" }
  /// The folder of TensorBoard's runs: train, val, ema.
  package var tensorBoard: String { prefix + "/tensorboard" }
  package var checkpoints: String { prefix + "/checkpoints" }
  /// The folder of a trial of the run.
  var dryRun: String { prefix + "/.dry-run" }
  /// Locked by the job that writes the run's files; says which one.
  package var lock: String { prefix + "/lock" }

  /// The best model's predictions: palette images of train ids for `val`, gray images of label ids for `test`.
  package func predictions(_ split: String) -> String { prefix + "/" + split }

  /// Creates the folders and checks that files can be written there, so that a run does not fail hours later.
  package func createFolders() throws {
    for path in [folder, checkpoints] {
      do {
        try FileSystem().createDirectory(path)
      } catch {
        throw TrainingError(
          "--save-path \(path): the folder cannot be created (\(error.posixMessage)); give one that can be written")
      }
    }
    for path in [folder, checkpoints] where access(path, W_OK | X_OK) != 0 {
      throw TrainingError("--save-path \(path): the folder cannot be written; change its permissions or give another")
    }
    do {
      try FileSystem().probe(checkpoints)
    } catch {
      throw TrainingError(
        "--save-path \(folder): nothing can be written there (\(error.posixMessage)); free some space or give another folder"
      )
    }
  }
}
