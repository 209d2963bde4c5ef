import Cityscapes
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
      throw TrainingError("\(path): there is no such file; give a weight file or a checkpoint's folder")
    }
    return try FileSystem.isDirectory(path, followingLinks: true)
      ? describe(try Checkpoint.find(at: path)) + model(path, listing) : tensors(path, listing)
  }

  private static func describe(_ checkpoint: Checkpoint) throws -> String {
    let state = try TrainingState(of: checkpoint)
    let options = state.options
    let position =
      if let steps = options.steps {
        state.totalSteps < steps
          ? "step \(state.totalSteps) of \(steps), epoch \(state.position.epoch + 1)" : "all \(steps) steps done"
      } else {
        state.position.epoch < options.epochs
          ? "epoch \(state.position.epoch + 1) of \(options.epochs), step \(state.position.step) of the epoch"
          : "all \(options.epochs) epochs done"
      }
    let classes = options.labels.map { ", \($0.classes.count) classes of \($0.name)" } ?? ""
    let accumulated = options.optimizer.accumulate > 1 ? ", \(options.optimizer.accumulate) a step" : ""
    let best = state.bestScore.map(options.bestFigure.text) ?? "none yet"
    let sent = options.gradientTransport == .bfloat16 ? ", gradients sent as bfloat16" : ""
    let microkernels = state.instructionSet.map { ", \($0) microkernels" } ?? ""
    return """
      \(checkpoint.folder): a valid checkpoint, all checksums match
      \(position), \(state.totalSteps) steps in all
      \(options.backbone.rawValue)\(classes), crops \(options.cropHeight)×\(options.cropWidth), batches of \(options.batchSize)\(accumulated), seed \(options.seed)
      learning rate \(options.scaledLearningRate), momentum \(options.momentum), weight decay \(options.weightDecay), power \(options.power)
      \(options.computePrecision.rawValue)\(sent)\(microkernels)
      best validation \(options.bestFigure.title) \(best)
      """
  }

  /// The tensors of the model, if the path is a checkpoint's own folder.
  private static func model(_ folder: String, _ listing: Bool) throws -> String {
    let file = folder + "/model.safetensors"
    guard FileManager.default.fileExists(atPath: file) else { return "" }
    return try "\n" + tensors(file, listing)
  }

  private static func tensors(_ path: String, _ listing: Bool) throws -> String {
    let file = try StateDict(contentsOf: path)
    let values = file.entries.reduce(0) { $0.addingReportingOverflow($1.tensor.count).partialValue }
    var lines = ["\(path): \(file.entries.count) tensors, \(values) values"]
    if file.format != .safetensors {
      let place = file.wrappers.isEmpty ? "" : ", tensors under \(file.wrappers.joined(separator: "."))"
      lines.append("format of \(file.format.rawValue)\(place)")
    }
    if let match = try NameMatch(file) { lines += describe(match, file) }
    let table = try LabelTable.carried(by: file)
    lines += file.metadata.sorted { $0.key < $1.key }.map { key, value in
      if key == LabelTable.metadataKey, let table { return "\(key): \(describe(table))" }
      return "\(key): \(value)"
    }
    let damaged = file.entries.map { ($0.name, $0.tensor.nonFiniteCount) }.filter { $0.1 > 0 }
    if let first = damaged.first {
      let count = damaged.reduce(0) { $0.addingReportingOverflow($1.1).partialValue }
      lines.append(
        "\(count) values of \(damaged.count) \(damaged.count == 1 ? "tensor" : "tensors") "
          + "are infinite or not a number, the first in \(first.0)")
    }
    if listing {
      lines += file.entries.map { "\($0.tensor.type.rawValue) \($0.tensor.shape) \($0.name)" }
    }
    return lines.joined(separator: "\n")
  }

  private static func describe(_ table: LabelTable) -> String {
    "\(table.name), \(table.classes.count) classes: "
      + table.classes.map(\.name).abbreviated().joined(separator: ", ")
  }

  /// A file with fewer of the network's names holds no backbone, and is compared with none.
  private static let fewestNames = 20

  /// Whose names a file uses, and how its tensors compare with those of the network.
  private static func describe(_ match: NameMatch, _ file: StateDict) -> [String] {
    let backbone = ModelLoader.backbone(of: match)
    var lines = [
      match.isNetwork ? "Gated-SCNN on \(backbone.rawValue)" : "backbone \(backbone.rawValue)",
      "names as by \(match.title)",
    ]
    guard match.entries.count >= fewestNames else { return lines }
    do {
      // A file may claim anything.
      let classes =
        try ModelLoader.outputs(of: file).flatMap { (2...LabelTable.maximumClasses).contains($0) ? $0 : nil }
        ?? GatedSCNN.cityscapesClasses
      let report = try ModelFile.compare(file, with: GatedSCNN(backbone, classes: classes, seed: nil).store)
      lines.append(report.text("fit the network"))
      if !report.ignored.isEmpty { lines.append("ignored: \(report.ignored.abbreviated().joined(separator: ", "))") }
    } catch let error as WeightsError {
      lines.append("\(error.problem)")
    } catch {
      lines.append("\(error)")
    }
    return lines
  }
}
