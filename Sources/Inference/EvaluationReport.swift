import Cityscapes
import Foundation
import Metrics
import Microkernels
import System

/// The figures of a split, as a table and as JSON.
package struct EvaluationReport {
  let evaluation: Evaluation
  let metrics: SegmentationMetrics
  /// The names of the images and of their predictions.
  let predictions: PredictionFolder
  /// Where predictions were written.
  let folder: String?
  /// Of the computation.
  let precision: Precision

  /// How many of the worst images and of the most confused pairs of classes are named.
  package static let named = 5

  /// - Parameters:
  ///   - predictions: of all images of the split.
  ///   - folder: its path if the predictions were written.
  ///   - precision: of the computation.
  package init(
    _ evaluation: Evaluation, of predictions: PredictionFolder, at folder: String?, precision: Precision,
    absentClasses: SegmentationMetrics.AbsentClasses
  ) {
    (self.evaluation, self.predictions, self.precision) = (evaluation, predictions, precision)
    self.folder = folder.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    metrics = SegmentationMetrics(evaluation.confusion, evaluation.table, absentClasses: absentClasses)
  }

  /// Checks that a report can be written there, so that an evaluation does not take hours in vain.
  package static func requireWritable(_ path: String) throws {
    do {
      try FileSystem().probeFile(path)
    } catch {
      throw InferenceError.cannotWriteReport(path, reason: error.posixMessage)
    }
  }

  /// The figures as one JSON object, as fractions from 0 to 1: ours, and beside them those of cityscapesScripts under its
  /// names, as `evalPixelLevelSemanticLabeling` writes them.
  package var json: Data {
    Data((JSONValue.object(ours.merging(official) { ours, _ in ours }).text + "\n").utf8)
  }

  /// Writes the figures as JSON.
  package func write(to path: String) throws {
    do {
      try FileSystem().replaceFile(path, with: json)
    } catch {
      throw InferenceError.cannotWriteReport(path, reason: error.posixMessage)
    }
  }
}

// MARK: - The table

extension EvaluationReport {
  /// The metrics of each class, in percent; then the worst images and the most confused classes.
  package var table: String {
    let labels = evaluation.table
    let images = evaluation.images == 1 ? "1 image" : "\(evaluation.images) images"
    let speed = String(format: "FPS              %.3f   (%@)", evaluation.imagesPerSecond, images)
    guard metrics.pixels > 0, let details = evaluation.details else { return metrics.table(labels) + "\n\n" + speed }
    var parts = [metrics.table(labels, details.instances)]
    if let missing = missingInstances(details) { parts[0] += "\n" + missing }
    parts.append(details.boundaries.table(labels))
    parts.append(
      (["worst images, mean class IoU"]
        + details.worst(Self.named).map { "\(percent($0.meanClassIoU))  \(predictions.names[$0.index].printable)" })
        .joined(separator: "\n"))
    let confused = evaluation.confusion.mostConfused(Self.named)
    if !confused.isEmpty {
      parts.append(
        (["most confused classes by pixels, share of the class"]
          + confused.map {
            "\(percent($0.share))  \(labels.classes[$0.truth].name) as \(labels.classes[$0.prediction].name)"
          }).joined(separator: "\n"))
    }
    return (parts + [speed]).joined(separator: "\n\n")
  }

  private func percent(_ value: Double) -> String { String(format: "%7.2f %%", 100 * value) }

  /// Why there is no iIoU although some images have instance maps.
  private func missingInstances(_ details: EvaluationDetails) -> String? {
    guard evaluation.table.isCityscapes else { return nil }
    let missing = details.imagesWithoutInstances
    guard missing > 0, missing < evaluation.images else { return nil }
    return "iIoU is left out: \(missing) of \(evaluation.images) images have no *_gtFine_instanceIds.png."
  }
}
