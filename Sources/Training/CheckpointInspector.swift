import Foundation
import Weights

/// What a checkpoint or weight file holds, in words.
package enum CheckpointInspector {
  /// - Parameter listing: whether every tensor is named with its type and shape.
  package static func text(of path: String, listing: Bool) throws -> String {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw TrainingError("\(path): there is no such file; give a safetensors file or the folder of a checkpoint")
    }
    return try isFolder.boolValue
      ? describe(try Checkpoint.find(at: path)) + model(path, listing) : tensors(path, listing)
  }

  private static func describe(_ checkpoint: Checkpoint) throws -> String {
    let state = try checkpoint.state(as: TrainingState.self)
    let options = state.options
    let position =
      state.position.epoch < options.epochs
      ? "epoch \(state.position.epoch + 1) of \(options.epochs), step \(state.position.step) of the epoch"
      : "all \(options.epochs) epochs done"
    let best = state.bestMeanIoU.map { String(format: "%.2f %%", $0 * 100) } ?? "none yet"
    return """
      \(checkpoint.folder): a whole checkpoint, every byte as it was written
      \(position), \(state.totalSteps) steps in all
      \(options.backbone.rawValue), crops \(options.cropHeight)×\(options.cropWidth), batches of \(options.batchSize), seed \(options.seed)
      learning rate \(options.learningRate), momentum \(options.momentum), weight decay \(options.weightDecay), power \(options.power)
      best validation class mIoU \(best)
      """
  }

  /// The model of a checkpoint's folder, where the path is that folder.
  private static func model(_ folder: String, _ listing: Bool) throws -> String {
    let file = folder + "/model.safetensors"
    guard FileManager.default.fileExists(atPath: file) else { return "" }
    return try "\n" + tensors(file, listing)
  }

  private static func tensors(_ path: String, _ listing: Bool) throws -> String {
    let file = try Safetensors(contentsOf: path)
    let values = file.entries.reduce(0) { $0 + $1.count }
    let backbone = file["regular_stream.backbone.layer3.6.conv1.weight"] ?? file["layer3.6.conv1.weight"]
    var lines = ["\(path): \(file.entries.count) tensors, \(values) values"]
    if file["seg.6.weight"] != nil { lines.append("Gated-SCNN on \(backbone == nil ? "resnet50" : "resnet101")") }
    lines += file.metadata.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    if listing {
      lines += file.entries.map { "\($0.type.rawValue) \($0.shape) \($0.name)" }
    }
    return lines.joined(separator: "\n")
  }
}
