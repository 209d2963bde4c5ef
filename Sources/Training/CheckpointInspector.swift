import Foundation
import GatedSCNN
import Inference
import System
import Weights

/// Describes a checkpoint or a weight file.
package enum CheckpointInspector {
  /// - Parameter listing: whether to list every tensor with its type and shape.
  package static func text(of path: String, listing: Bool) throws -> String {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard FileManager.default.fileExists(atPath: path) else {
      throw TrainingError("\(path): there is no such file; give a safetensors file or a checkpoint's folder")
    }
    return try FileSystem.isDirectory(path, followingLinks: true)
      ? describe(try Checkpoint.find(at: path)) + model(path, listing) : tensors(path, listing)
  }

  private static func describe(_ checkpoint: Checkpoint) throws -> String {
    let state = try TrainingState(of: checkpoint)
    let options = state.options
    let position =
      state.position.epoch < options.epochs
      ? "epoch \(state.position.epoch + 1) of \(options.epochs), step \(state.position.step) of the epoch"
      : "all \(options.epochs) epochs done"
    let best = state.bestMeanIoU.map { String(format: "%.2f %%", $0 * 100) } ?? "none yet"
    return """
      \(checkpoint.folder): a valid checkpoint, all checksums match
      \(position), \(state.totalSteps) steps in all
      \(options.backbone.rawValue), crops \(options.cropHeight)×\(options.cropWidth), batches of \(options.batchSize), seed \(options.seed)
      learning rate \(options.learningRate), momentum \(options.momentum), weight decay \(options.weightDecay), power \(options.power)
      best validation class mIoU \(best)
      """
  }

  /// The tensors of the model, if the path is a checkpoint's own folder.
  private static func model(_ folder: String, _ listing: Bool) throws -> String {
    let file = folder + "/model.safetensors"
    guard FileManager.default.fileExists(atPath: file) else { return "" }
    return try "\n" + tensors(file, listing)
  }

  private static func tensors(_ path: String, _ listing: Bool) throws -> String {
    let file = try Safetensors(contentsOf: path)
    let values = file.entries.reduce(0) { $0 + $1.count }
    var lines = ["\(path): \(file.entries.count) tensors, \(values) values"]
    if file["seg.6.weight"] != nil { lines.append("Gated-SCNN on \(ModelLoader.backbone(of: file).rawValue)") }
    lines += file.metadata.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    let damaged = file.entries.map { ($0.name, file.nonFiniteCount($0)) }.filter { $0.1 > 0 }
    if let first = damaged.first {
      lines.append(
        "\(damaged.reduce(0) { $0 + $1.1 }) values of \(damaged.count) \(damaged.count == 1 ? "tensor" : "tensors") "
          + "are infinite or not a number, the first in \(first.0)")
    }
    if listing {
      lines += file.entries.map { "\($0.type.rawValue) \($0.shape) \($0.name)" }
    }
    return lines.joined(separator: "\n")
  }
}
