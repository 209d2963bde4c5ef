/// How well a segmentation matches the ground truth, from one confusion matrix.
package struct Metrics: Codable, Equatable, Sendable {
  /// How a class (or category) without a pixel in the ground truth enters the means.
  package enum AbsentClasses: String, Codable, Sendable {
    /// Left out, as the benchmark does.
    case leftOut
    /// As 0, as the GatedSCNN code of leftthomas does: for comparing with its tables.
    case zero
  }

  package let absentClasses: AbsentClasses
  /// Pixels that count: those with a class in the ground truth. Without any, all figures are 0.
  package let pixels: Int64
  /// Pixels predicted right, of those that count, 0 … 1.
  package let pixelAccuracy: Double
  /// Mean over classes of the share of the class's pixels predicted right, 0 … 1.
  package let meanAccuracy: Double
  /// Share of each class's pixels predicted right, by train id; nil where the ground truth has none.
  package let classAccuracy: [Double?]
  /// Intersection over union, by train id; nil where the ground truth has no pixel of the class.
  package let classIoU: [Double?]
  package let meanClassIoU: Double
  /// Intersection over union of the seven categories (`Label.Category.evaluated`), where confusing two classes of one
  /// category is no fault.
  package let categoryIoU: [Double?]
  package let meanCategoryIoU: Double

  package init(_ confusion: ConfusionMatrix, absentClasses: AbsentClasses = .leftOut) {
    let classes = Overlap(confusion.counts, groups: Array(0..<ConfusionMatrix.classes))
    let categories = Overlap(confusion.counts, groups: Label.categoryOfClass)
    self.absentClasses = absentClasses
    pixels = confusion.total
    pixelAccuracy = pixels == 0 ? 0 : Double(classes.agreed.reduce(0, +)) / Double(pixels)
    classAccuracy = classes.accuracy
    meanAccuracy = Self.mean(classes.accuracy, absentClasses)
    classIoU = classes.intersectionOverUnion
    meanClassIoU = Self.mean(classIoU, absentClasses)
    categoryIoU = categories.intersectionOverUnion
    meanCategoryIoU = Self.mean(categoryIoU, absentClasses)
  }

  private static func mean(_ values: [Double?], _ absentClasses: AbsentClasses) -> Double {
    let present = values.compactMap { $0 }
    let count = absentClasses == .leftOut ? present.count : values.count
    return count == 0 ? 0 : present.reduce(0, +) / Double(count)
  }

  /// Pixels of each group of classes in the ground truth, in the prediction, and in both.
  private struct Overlap {
    var agreed: [Int64]
    var truth: [Int64]
    var predicted: [Int64]

    /// - Parameter groups: the group of each class, 0 … largest.
    init(_ counts: [Int64], groups: [Int]) {
      let zeros = [Int64](repeating: 0, count: (groups.max() ?? -1) + 1)
      (agreed, truth, predicted) = (zeros, zeros, zeros)
      for (row, truthGroup) in groups.enumerated() {
        for (column, predictedGroup) in groups.enumerated() {
          let count = counts[row * groups.count + column]
          truth[truthGroup] += count
          predicted[predictedGroup] += count
          if truthGroup == predictedGroup { agreed[truthGroup] += count }
        }
      }
    }

    var accuracy: [Double?] {
      truth.indices.map { truth[$0] == 0 ? nil : Double(agreed[$0]) / Double(truth[$0]) }
    }

    var intersectionOverUnion: [Double?] {
      truth.indices.map {
        truth[$0] == 0 ? nil : Double(agreed[$0]) / Double(truth[$0] + predicted[$0] - agreed[$0])
      }
    }
  }
}

extension Metrics {
  /// The figures as a table, class by class, then category by category, in percent.
  package var table: String {
    func cell(_ value: Double?) -> String {
      guard let value else { return "      –" }
      let hundredths = Int((value * 10000).rounded())
      let text = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
      return String(repeating: " ", count: max(7 - text.count, 0)) + text
    }
    func line(_ name: String, _ cells: String...) -> String {
      name + String(repeating: " ", count: max(16 - name.count, 1)) + cells.joined(separator: "  ")
    }
    var lines = [line("class", " IoU, %", " acc, %")]
    for (index, label) in Label.classes.enumerated() {
      lines.append(line(label.name, cell(classIoU[index]), cell(classAccuracy[index])))
    }
    lines.append(line("mean", cell(meanClassIoU), cell(meanAccuracy)))
    lines += ["", line("category", " IoU, %")]
    for (index, category) in Label.Category.evaluated.enumerated() {
      lines.append(line(category.rawValue, cell(categoryIoU[index])))
    }
    lines += [line("mean", cell(meanCategoryIoU)), "", line("pixel accuracy", cell(pixelAccuracy))]
    if pixels == 0 { lines.append("The ground truth has no labeled pixel: there is nothing to measure.") }
    if absentClasses == .zero { lines.append("Classes without a ground-truth pixel count as 0 in the means.") }
    return lines.joined(separator: "\n")
  }
}
