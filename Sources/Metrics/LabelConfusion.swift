import Cityscapes

/// A confusion matrix whose rows are the label ids of the ground truth, those that evaluation ignores included, as
/// cityscapesScripts counts. Columns are train ids: nothing else is predicted.
package struct LabelConfusion: Equatable, Codable, Sendable {
  /// The number of rows: label ids 0 … 33.
  package static let labels = Int(Label.largestId) + 1

  /// Pixels, `counts[labelId * Label.classCount + trainId]`.
  package private(set) var counts = [Int64](repeating: 0, count: labels * Label.classCount)

  package init() {}

  /// Counts the pixels of an image.
  ///
  /// - Parameters:
  ///   - prediction: train ids 0 ..< `Label.classCount`.
  ///   - labelIds: 0 … `Label.largestId`.
  package init(prediction: [UInt8], labelIds: [UInt8]) {
    PixelPairs.count(truth: labelIds, prediction: prediction) { label, prediction, count in
      precondition(label < Self.labels && prediction < Label.classCount, "a value is no label id or no train id")
      counts[label * Label.classCount + prediction] += count
    }
  }

  /// Pixels in all.
  package var total: Int64 { counts.reduce(0, +) }

  /// Pixels of the ground truth with a label.
  package func pixels(labelId: Int) -> Int64 { row(labelId).reduce(0, +) }

  /// Pixels of the ground truth that evaluation skips.
  package var ignored: Int64 {
    Label.table.filter { $0.id >= 0 && $0.ignoredInEvaluation }.reduce(0) { $0 + pixels(labelId: $1.id) }
  }

  /// The rows of the 19 classes.
  package var classes: ConfusionMatrix { ConfusionMatrix(counts: Label.classes.flatMap { row($0.id) }) }

  /// Both sides by label id, 34 · 34, row by row: cityscapesScripts' `confMatrix`.
  package var byLabelId: [[Int64]] {
    (0..<Self.labels).map { label in
      var wide = [Int64](repeating: 0, count: Self.labels)
      for (trainId, count) in row(label).enumerated() { wide[Int(Label.ids[trainId])] = count }
      return wide
    }
  }

  private func row(_ label: Int) -> ArraySlice<Int64> {
    counts[label * Label.classCount..<(label + 1) * Label.classCount]
  }

  /// Adds the counts of other images.
  package static func += (sum: inout LabelConfusion, other: LabelConfusion) {
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}
