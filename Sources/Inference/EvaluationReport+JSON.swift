import Cityscapes
import Metrics
import System

// MARK: - Our figures

extension EvaluationReport {
  /// Our figures, null for an absent class.
  var ours: [String: JSONValue] {
    let (counts, classes) = (evaluation.confusion.counts, evaluation.table.classes.count)
    var content: [String: JSONValue] = [
      "split": .text(evaluation.split.rawValue),
      "precision": .text(precision.rawValue),
      "images": .integer(Int64(evaluation.images)),
      "images_per_second": .number(evaluation.imagesPerSecond),
      "loss": evaluation.loss.isNaN ? .null : .number(evaluation.loss),
      "pixels": .integer(metrics.pixels),
      "pixel_accuracy": .number(metrics.pixelAccuracy),
      "mean_accuracy": .number(metrics.meanAccuracy),
      "mean_class_iou": .number(metrics.meanClassIoU),
      "absent_classes": .text(metrics.absentClasses == .zero ? "zero" : "left_out"),
      "classes": byClass {
        .object(["iou": .optional(metrics.classIoU[$0]), "accuracy": .optional(metrics.classAccuracy[$0])])
      },
      // Rows are the ground truth, columns the prediction, both by train id.
      "confusion": .list(
        (0..<classes).map { row in .list(counts[row * classes..<(row + 1) * classes].map(JSONValue.integer)) }),
      "most_confused_classes": .list(evaluation.confusion.mostConfused(Self.named).map(entry)),
    ]
    if let mean = metrics.meanCategoryIoU {
      content["mean_category_iou"] = .number(mean)
      content["categories"] = .object(
        .init(
          uniqueKeysWithValues: zip(evaluation.table.categories, metrics.categoryIoU).map {
            ($0, .object(["iou": .optional($1)]))
          }))
    }
    if !evaluation.table.isCityscapes { content["data_set"] = .text(evaluation.table.name) }
    guard let details = evaluation.details else { return content }
    content["boundary"] = entry(details.boundaries)
    content["worst_images"] = .list(
      details.worst(Self.named).map {
        .object(["image": .text(predictions.names[$0.index].printable), "mean_class_iou": .number($0.meanClassIoU)])
      })
    return content
  }

  private func byClass(_ value: (Int) -> JSONValue) -> JSONValue {
    .object(.init(uniqueKeysWithValues: evaluation.table.classes.enumerated().map { ($1.name, value($0)) }))
  }

  private func entry(_ pair: ConfusedClasses) -> JSONValue {
    let classes = evaluation.table.classes
    return .object([
      "truth": .text(classes[pair.truth].name), "prediction": .text(classes[pair.prediction].name),
      "pixels": .integer(pair.pixels), "share": .number(pair.share),
    ])
  }

  private func entry(_ scores: BoundaryScores) -> JSONValue {
    func pixels(_ range: ClosedRange<Int>) -> JSONValue {
      .list([.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))])
    }
    func list(_ values: [Double?]) -> JSONValue { .list(values.map(JSONValue.optional)) }
    let thresholds = scores.radii.indices
    return .object([
      "thresholds": .list(scores.thresholds.fScore.map(JSONValue.number)),
      "f_radius_min_max": .list(scores.radii.map(pixels)),
      "iou_distance_min_max": scores.distances.map(pixels) ?? .null,
      "mean_f": list(thresholds.map { scores.meanF(threshold: $0) }),
      "gscnn_mean_f": list(thresholds.map { scores.officialMeanF(threshold: $0) }),
      "mean_iou": .optional(scores.meanBoundaryIoU),
      "classes": byClass { trainId in
        .object([
          "f": list(thresholds.map { scores.classF(threshold: $0)[trainId] }),
          "gscnn_f": list(thresholds.map { scores.officialClassF(threshold: $0)[trainId] }),
          "iou": .optional(scores.classBoundaryIoU[trainId]),
        ])
      },
    ])
  }
}

// MARK: - The figures of cityscapesScripts

extension EvaluationReport {
  /// The content of cityscapesScripts' `resultPixelLevelSemanticLabeling.json`, with its per-image scores; NaN for what
  /// does not exist. Of Cityscapes alone.
  var official: [String: JSONValue] {
    guard evaluation.table.isCityscapes, let details = evaluation.details, let labels = details.labels,
      metrics.pixels > 0
    else { return [:] }
    let scores = SegmentationMetrics(labels.classes())
    let total = Double(labels.total)
    let instances = details.instances
    let means = [
      "averageScoreClasses": scores.meanClassIoU, "averageScoreCategories": scores.meanCategoryIoU,
      "averageScoreInstClasses": instances?.meanClassIoU, "averageScoreInstCategories": instances?.meanCategoryIoU,
    ]
    return [
      "confMatrix": .list(labels.byLabelId.map { .list($0.map(JSONValue.integer)) }),
      "labels": Self.byLabel { .integer(Int64($0.id)) },
      "priors": Self.byLabel { .number(Double(labels.pixels(labelId: $0.id)) / total) },
      "classScores": Self.byLabel { Self.score($0.ignoredInEvaluation ? nil : scores.classIoU[$0.trainId]) },
      "classInstScores": Self.byLabel { Self.score($0.ignoredInEvaluation ? nil : instances?.classIoU[$0.trainId]) },
      "categoryScores": Self.byCategory(scores.categoryIoU),
      "categoryInstScores": Self.byCategory(instances?.categoryIoU ?? []),
      "perImageScores": .object(
        .init(
          details.images.enumerated().map { index, image in
            (((folder.map { $0 + "/" } ?? "") + predictions.fileName(index)).printable, Self.entry(image))
          },
          // Names that are no text may be printed alike.
          uniquingKeysWith: { first, _ in first })),
    ].merging(means.mapValues(Self.score)) { first, _ in first }
  }

  private static func score(_ value: Double??) -> JSONValue { .number((value ?? nil) ?? .nan) }

  private static func byLabel(_ value: (Label) -> JSONValue) -> JSONValue {
    .object(.init(uniqueKeysWithValues: Label.table.filter { $0.id >= 0 }.map { ($0.name, value($0)) }))
  }

  private static func byCategory(_ values: [Double?]) -> JSONValue {
    .object(
      .init(
        uniqueKeysWithValues: Label.Category.allCases.map { category in
          let index = Label.Category.evaluated.firstIndex(of: category)
          return (category.rawValue, score(index.flatMap { $0 < values.count ? values[$0] : nil }))
        }))
  }

  /// Under the official names the official values, which are others than the names say: the script selects the pixels
  /// that are ignored, and counts those of them whose prediction differs from the label, as it always does.
  private static func entry(_ image: EvaluationDetails.ImageScore) -> JSONValue {
    .object([
      "nbNotIgnoredPixels": .integer(image.ignored), "nbCorrectPixels": .integer(image.ignored),
      "labeled_pixels": .integer(image.labeled), "correct_pixels": .integer(image.correct),
      "mean_class_iou": .optional(image.meanClassIoU),
    ])
  }
}
