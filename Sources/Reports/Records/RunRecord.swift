import Cityscapes
import Foundation
import Inference
import System
import Training

/// A sentence about figures that are not there: which file lacks them, and how to get them.
package struct MissingFigures: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// What the files of a run say. A file that is missing or damaged is a sentence in its place.
package struct RunRecord {
  let paths: RunPaths
  /// What the paths of its files begin with.
  package var prefix: String { paths.prefix }
  /// A line per epoch.
  let statistics: Result<CSVTable, MissingFigures>
  /// A line per step.
  let steps: Result<CSVTable, MissingFigures>
  /// The IoU of each class, epoch by epoch.
  let classIoU: Result<CSVTable, MissingFigures>
  /// Of the best model's validation.
  let validation: Result<EvaluationFigures, MissingFigures>
  let description: Result<RunDescriptionFile, MissingFigures>
  let options: Result<[(option: String, value: String)], MissingFigures>

  /// Reads the files of a run.
  ///
  /// - Parameter prefix: what their paths begin with, as `results/resnet50_512_512`.
  package init(_ prefix: String) {
    let paths = RunPaths(prefix: prefix)
    self.paths = paths
    statistics = Self.table(
      paths.statistics, keys: ["epoch"], appears: "it is written at the end of each epoch",
      remedy: "gscnn train --resume auto writes it again")
    steps = Self.table(
      paths.steps, keys: ["epoch", "step"], appears: "it gets a line with each step",
      remedy: "later steps are added to it")
    classIoU = Self.table(
      paths.classes, keys: ["epoch"],
      appears: "it is written at the end of each epoch, and earlier versions of gscnn did not write it",
      remedy: "gscnn train --resume auto writes it again")
    validation = Self.content(
      paths.validation,
      appears: "it is written with each new best model, and earlier versions of gscnn did not write it",
      remedy: "gscnn evaluate --report FILE measures the same of \(paths.model)"
    ) { try EvaluationFigures($0) }
    description = Self.content(
      paths.description,
      appears: "it is written when a training starts, and earlier versions of gscnn did not write it",
      remedy: "gscnn train --resume auto writes it again"
    ) { try JSON.decode(RunDescriptionFile.self, from: $0) }
    options = Self.content(
      paths.options, appears: "it is written when a training starts",
      remedy: "gscnn train --resume auto writes it again"
    ) { TrainingOptions.settings(ofConfiguration: String(decoding: $0, as: UTF8.self)) }
  }

  private static func content<Content>(
    _ path: String, appears: String, remedy: String, _ read: (Data) throws -> Content
  ) -> Result<Content, MissingFigures> {
    guard FileSystem.exists(path) else {
      return .failure(MissingFigures("\(path) does not exist: \(appears)."))
    }
    let data: Data
    do {
      let file = try MappedFile(path)
      defer { withExtendedLifetime(file) {} }
      data = Data(file.bytes)
    } catch {
      return .failure(MissingFigures("\(path) cannot be read (\(error.posixMessage)); make it readable."))
    }
    do {
      return .success(try read(data))
    } catch {
      return .failure(MissingFigures("\(path) is damaged; \(remedy)."))
    }
  }

  private static func table(
    _ path: String, keys: [String], appears: String, remedy: String
  ) -> Result<CSVTable, MissingFigures> {
    content(path, appears: appears, remedy: remedy) { data in
      guard let table = CSVTable(data)?.requiring(integers: keys) else {
        throw MissingFigures("its first line does not name its columns")
      }
      return table
    }
  }

  // MARK: - What follows from them

  /// By train id: from the description of the run, or from its model.
  var classes: [ClassStyle] {
    (try? description.get()).map(ClassStyle.list) ?? ClassStyle.list(table)
  }

  /// The data set, where the run had it; nil if its files do not say.
  package var dataPath: String? { (try? description.get())?.dataPath ?? option("--data-path") }

  /// Of the data set, from the model, which carries it.
  package var table: LabelTable { (try? ModelLoader.table(of: paths.model, asked: nil)) ?? .cityscapes }

  /// The value of an option, as `--save-best`.
  func option(_ name: String) -> String? { (try? options.get())?.first { $0.option == name }?.value }

  /// Images of a step, over all ranks.
  var imagesPerStep: Int? {
    if let count = (try? description.get())?.imagesPerStep { return count > 0 ? count : nil }
    guard let batch = option("--batch-size").flatMap({ Int($0) }) else { return nil }
    let (images, overflow) = batch.multipliedReportingOverflow(by: Int(option("--accumulate") ?? "1") ?? 1)
    return images > 0 && !overflow ? images : nil
  }

  /// The figure by which a model is the best.
  var bestFigure: BestFigure { option("--save-best").flatMap(BestFigure.init) ?? .classIoU }

  /// The epochs whose model was the best so far, in their order.
  var bestEpochs: [Int] { bestEpochs("") }

  /// The epochs whose average of weights was the best so far, in their order.
  var bestEpochsOfAverage: [Int] { bestEpochs("ema_") }

  /// - Parameter prefix: of the columns of the validation.
  private func bestEpochs(_ prefix: String) -> [Int] {
    guard let statistics = try? statistics.get(), let values = statistics.numbers(prefix + bestFigure.column),
      let losses = statistics.numbers(prefix + "val_loss"), let epochs = statistics.numbers("epoch")
    else { return [] }
    var (best, found) = (Double?.none, [Int]())
    for (row, value) in values.enumerated() {
      guard let value, value.isFinite, losses[row]?.isFinite ?? false, let epoch = epochs[row] else { continue }
      if bestFigure.isBetter(value, than: best) {
        best = value
        found.append(Int(epoch))
      }
    }
    return found
  }

  /// Why no model is the best; nil if one is.
  var whyNoBestModel: String? {
    guard bestEpochs.isEmpty else { return nil }
    guard let statistics = try? statistics.get() else {
      return "No epoch is finished: figures of the validation follow with the first one."
    }
    return statistics.numbers("val_loss")?.contains { $0 != nil } ?? false
      ? "No model is the best: the loss of the validation was not a finite number."
      : "No epoch is validated yet: the figures of the best model follow with the first validation."
  }

  /// A figure of an epoch from the statistics, as a fraction if it is in percent there.
  func figure(_ column: String, epoch: Int) -> Double? {
    guard let statistics = try? statistics.get(), let values = statistics.numbers(column),
      let row = statistics.numbers("epoch")?.firstIndex(of: Double(epoch))
    else { return nil }
    return values[row].map { Self.isPercent(column) ? $0 / 100 : $0 }
  }

  static func isPercent(_ column: String) -> Bool {
    ["_PA", "_mPA", "_mIOU"].contains { column.hasSuffix($0) } || column.contains("boundary_F")
  }

  /// The IoU of each class in an epoch, from 0 to 1.
  func classIoU(epoch: Int, split: String) -> [String: Double]? {
    guard let table = try? classIoU.get(), let kind = table.index("split"), let number = table.index("epoch"),
      let row = table.rows.last(where: { Int($0[number]) == epoch && $0[kind] == split })
    else { return nil }
    let values = zip(table.columns, row).compactMap { name, text -> (String, Double)? in
      name == "epoch" || name == "split" ? nil : Double(text).flatMap { $0.isFinite ? (name, $0 / 100) : nil }
    }
    return Dictionary(values) { first, _ in first }
  }

  /// The IoU of a class by epoch, in percent. Nil before two epochs are evaluated.
  func classIoU(of name: String, split: String) -> [(x: Double, y: Double?)]? {
    guard let table = try? classIoU.get(), let kind = table.index("split"), let epochs = table.numbers("epoch"),
      let values = table.numbers(name)
    else { return nil }
    let points = table.rows.indices.filter { table.rows[$0][kind] == split }.map { (x: epochs[$0] ?? 0, y: values[$0]) }
    return points.count { $0.y?.isFinite ?? false } > 1 ? points : nil
  }

  /// What is left out of a file, in words.
  var damage: [String] {
    [(statistics, paths.statistics), (steps, paths.steps), (classIoU, paths.classes)].compactMap { table, path in
      guard let table = try? table.get() else { return nil }
      let lines =
        table.damaged > 0
        ? "\(Figures.count(table.damaged, "line")) of \(path) \(table.damaged == 1 ? "is" : "are") damaged and left out"
        : nil
      let last = table.isTorn ? "The last line of \(path) is unfinished and left out" : nil
      let parts = [lines, last].compactMap(\.self)
      return parts.isEmpty ? nil : parts.joined(separator: ". ") + "."
    }
  }
}

extension BestFigure {
  /// Of the statistics.
  fileprivate var column: String {
    switch self {
    case .classIoU: "val_class_mIOU"
    case .categoryIoU: "val_category_mIOU"
    case .pixelAccuracy: "val_PA"
    case .meanAccuracy: "val_mPA"
    case .loss: "val_loss"
    }
  }
}
