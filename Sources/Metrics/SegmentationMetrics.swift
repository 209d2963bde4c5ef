import Cityscapes

/// Pixel accuracy, mean accuracy and intersection over union (IoU) of a segmentation, from its confusion matrix.
package struct SegmentationMetrics: Codable, Equatable, Sendable {
  /// How an absent class (or category) counts in the means: in the mean IoU one that neither ground truth nor prediction
  /// holds, in the mean accuracy one that the ground truth lacks.
  package enum AbsentClasses: String, Codable, Sendable {
    /// Left out, as in cityscapesScripts' `evalPixelLevelSemanticLabeling`.
    case leftOut
    /// As 0, as in the reference implementation (github.com/leftthomas/GatedSCNN), for comparison with its tables.
    case zero
  }

  package let absentClasses: AbsentClasses
  /// Pixels with a class in the ground truth. Without any, all metrics are 0.
  package let pixels: Int64
  /// Correctly predicted pixels / `pixels`, 0 … 1.
  package let pixelAccuracy: Double
  /// Mean of `classAccuracy`, 0 … 1.
  package let meanAccuracy: Double
  /// Correctly predicted fraction of each class's pixels, by train id; nil for classes without ground-truth pixels.
  package let classAccuracy: [Double?]
  /// Intersection over union, by train id: TP / (TP + FP + FN). 0 for a class that is predicted and not in the ground
  /// truth; nil for a class in neither.
  package let classIoU: [Double?]
  /// Class mIoU: the mean of `classIoU`, 0 … 1.
  package let meanClassIoU: Double
  /// Intersection over union of the categories (`LabelTable.categories`, seven in Cityscapes), in which classes of one
  /// category count as one; empty if the data set has none.
  package let categoryIoU: [Double?]
  /// Category mIoU: the mean of `categoryIoU`, 0 … 1; nil if the data set has no categories.
  package let meanCategoryIoU: Double?

  package init(
    _ confusion: ConfusionMatrix, _ table: LabelTable = .cityscapes, absentClasses: AbsentClasses = .leftOut
  ) {
    precondition(confusion.classes == table.classes.count, "the matrix is of these classes")
    let classes = Overlap(confusion.counts, groups: Array(0..<confusion.classes))
    let categories = Overlap(confusion.counts, groups: table.categoryOfClass)
    self.absentClasses = absentClasses
    pixels = confusion.total
    pixelAccuracy = pixels == 0 ? 0 : Double(classes.intersection.reduce(0, +)) / Double(pixels)
    classAccuracy = classes.accuracy
    meanAccuracy = Self.mean(classes.accuracy, absentClasses)
    classIoU = classes.intersectionOverUnion
    meanClassIoU = Self.mean(classIoU, absentClasses)
    categoryIoU = categories.intersectionOverUnion
    meanCategoryIoU = table.categories.isEmpty ? nil : Self.mean(categoryIoU, absentClasses)
  }

  private static func mean(_ values: [Double?], _ absentClasses: AbsentClasses) -> Double {
    let present = values.compactMap { $0 }
    let count = absentClasses == .leftOut ? present.count : values.count
    return count == 0 ? 0 : present.reduce(0, +) / Double(count)
  }

  /// Pixels of each group of classes in the ground truth, in the prediction, and in both.
  private struct Overlap {
    var intersection: [Int64]
    var truth: [Int64]
    var predicted: [Int64]

    /// - Parameter groups: the group of each class, 0 ... `groups.max()`.
    init(_ counts: [Int64], groups: [Int]) {
      let zeros = [Int64](repeating: 0, count: (groups.max() ?? -1) + 1)
      (intersection, truth, predicted) = (zeros, zeros, zeros)
      for (row, truthGroup) in groups.enumerated() {
        for (column, predictedGroup) in groups.enumerated() {
          let count = counts[row * groups.count + column]
          truth[truthGroup] += count
          predicted[predictedGroup] += count
          if truthGroup == predictedGroup { intersection[truthGroup] += count }
        }
      }
    }

    var accuracy: [Double?] {
      truth.indices.map { truth[$0] == 0 ? nil : Double(intersection[$0]) / Double(truth[$0]) }
    }

    var intersectionOverUnion: [Double?] {
      truth.indices.map {
        let union = truth[$0] + predicted[$0] - intersection[$0]
        return union == 0 ? nil : Double(intersection[$0]) / Double(union)
      }
    }
  }
}

extension SegmentationMetrics {
  /// A table of all metrics in percent, class by class, then category by category.
  ///
  /// - Parameters:
  ///   - labels: whose metrics these are.
  ///   - instances: adds a column of iIoU.
  package func table(_ labels: LabelTable = .cityscapes, _ instances: InstanceMetrics? = nil) -> String {
    guard pixels > 0 else { return "The ground truth has no labeled pixels: there is nothing to measure." }
    var table = PercentTable()
    table.header("class", ["IoU, %", "acc, %"] + (instances == nil ? [] : ["iIoU, %"]))
    for (index, label) in labels.classes.enumerated() {
      table.row(label.name, [classIoU[index], classAccuracy[index]] + (instances.map { [$0.classIoU[index]] } ?? []))
    }
    table.row("mean", [meanClassIoU, meanAccuracy] + (instances.map { [$0.meanClassIoU] } ?? []))
    table.emptyLine()
    if !labels.categories.isEmpty {
      table.header("category", ["IoU, %"] + (instances == nil ? [] : ["iIoU, %"]))
      for (index, category) in labels.categories.enumerated() {
        table.row(category, [categoryIoU[index]] + (instances.map { [$0.categoryIoU[index]] } ?? []))
      }
      table.row("mean", [meanCategoryIoU] + (instances.map { [$0.meanCategoryIoU] } ?? []))
      table.emptyLine()
    }
    table.row("pixel accuracy", [pixelAccuracy])
    let remark = absentClasses == .zero ? ["Classes without ground-truth pixels count as 0 in the means."] : []
    return (table.lines + remark).joined(separator: "\n")
  }
}
