import Cityscapes
import Foundation
import Metrics
import System

/// The metrics of a split, as a table and as JSON.
package struct EvaluationReport {
  private let evaluation: Evaluation
  private let metrics: SegmentationMetrics

  package init(_ evaluation: Evaluation, absentClasses: SegmentationMetrics.AbsentClasses) {
    self.evaluation = evaluation
    metrics = SegmentationMetrics(evaluation.confusion, absentClasses: absentClasses)
  }

  /// Checks that a report can be written there, so that an evaluation does not take hours in vain.
  package static func requireWritable(_ path: String) throws {
    do {
      if FileSystem.isDirectory(path, followingLinks: true) { throw FileError(path, .create, errno: EISDIR) }
      if !FileSystem.isStream(path) { try FileSystem().probe(FileSystem.parent(of: path)) }
    } catch {
      throw InferenceError.cannotWriteReport(path, reason: error.posixMessage)
    }
  }

  /// The metrics of each class, in percent.
  package var table: String {
    let images = evaluation.images == 1 ? "1 image" : "\(evaluation.images) images"
    return metrics.table + String(format: "\n\nFPS              %.3f   (%@)", evaluation.imagesPerSecond, images)
  }

  /// Writes the metrics as one JSON object, as fractions from 0 to 1; null for an absent class.
  package func write(to path: String) throws {
    do {
      let text = try JSON.encode(content, .sortedKeys, keys: .convertToSnakeCase) + Data("\n".utf8)
      try FileSystem().replaceFile(path, with: text)
    } catch {
      throw InferenceError.cannotWriteReport(path, reason: error.posixMessage)
    }
  }

  private struct Content: Encodable {
    let split: String
    let images: Int
    let imagesPerSecond: Double
    let loss: Double
    let pixels: Int64
    let pixelAccuracy: Double
    let meanAccuracy: Double
    let meanClassIou: Double
    let meanCategoryIou: Double
    let absentClasses: String
    /// The accuracy and the intersection over union of each class.
    let classes: [String: [String: Double?]]
    let categories: [String: [String: Double?]]
    /// Rows are the ground truth, columns the prediction, both by train id.
    let confusion: [[Int64]]
  }

  private var content: Content {
    let counts = evaluation.confusion.counts
    return Content(
      split: evaluation.split.rawValue, images: evaluation.images,
      imagesPerSecond: evaluation.imagesPerSecond, loss: evaluation.loss, pixels: metrics.pixels,
      pixelAccuracy: metrics.pixelAccuracy, meanAccuracy: metrics.meanAccuracy, meanClassIou: metrics.meanClassIoU,
      meanCategoryIou: metrics.meanCategoryIoU, absentClasses: metrics.absentClasses == .zero ? "zero" : "left_out",
      classes: .init(
        uniqueKeysWithValues: Label.classes.indices.map {
          (Label.classes[$0].name, ["iou": metrics.classIoU[$0], "accuracy": metrics.classAccuracy[$0]])
        }),
      categories: .init(
        uniqueKeysWithValues: zip(Label.Category.evaluated, metrics.categoryIoU).map { ($0.rawValue, ["iou": $1]) }),
      confusion: Label.classes.indices.map { Array(counts[$0 * Label.classCount..<($0 + 1) * Label.classCount]) })
  }
}
