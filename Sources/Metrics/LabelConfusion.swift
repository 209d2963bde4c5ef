import Cityscapes

/// A confusion matrix whose rows are the label ids of the ground truth, those that evaluation ignores included, as
/// cityscapesScripts counts. Columns are train ids: nothing else is predicted.
package struct LabelConfusion: Equatable, Codable, Sendable {
  /// The number of rows: label ids from 0 on, 34 in Cityscapes.
  private let labels: Int
  /// The number of columns.
  private let columns: Int

  /// Pixels, `counts[labelId * columns + trainId]`.
  package private(set) var counts: [Int64]

  package init(_ table: LabelTable = .cityscapes) {
    (labels, columns) = (table.idCount, table.classes.count)
    counts = [Int64](repeating: 0, count: labels * columns)
  }

  /// Counts the pixels of an image.
  ///
  /// - Parameters:
  ///   - prediction: train ids.
  ///   - labelIds: label ids, 0 ..< `table.idCount`.
  package init(prediction: [UInt8], labelIds: [UInt8], _ table: LabelTable = .cityscapes) {
    self.init(table)
    let (labels, columns) = (labels, columns)
    PixelPairs.count(truth: labelIds, prediction: prediction, classes: columns) { label, prediction, count in
      precondition(label < labels && prediction < columns, "a value is no label id or no train id")
      counts[label * columns + prediction] += count
    }
  }

  /// Pixels in all.
  package var total: Int64 { counts.reduce(0, +) }

  /// Pixels of the ground truth with a label.
  package func pixels(labelId: Int) -> Int64 { row(labelId).reduce(0, +) }

  /// Pixels of the ground truth that evaluation skips.
  package func ignored(_ table: LabelTable = .cityscapes) -> Int64 {
    table.ignored.reduce(0) { $0 + pixels(labelId: Int($1.id)) }
  }

  /// The rows of the classes.
  package func classes(_ table: LabelTable = .cityscapes) -> ConfusionMatrix {
    ConfusionMatrix(counts: table.classes.flatMap { row(Int($0.id)) })
  }

  /// Both sides by label id, 34 · 34, row by row: cityscapesScripts' `confMatrix`. Of Cityscapes.
  package var byLabelId: [[Int64]] {
    (0..<labels).map { label in
      var wide = [Int64](repeating: 0, count: labels)
      for (trainId, count) in row(label).enumerated() { wide[Int(Label.ids[trainId])] = count }
      return wide
    }
  }

  private func row(_ label: Int) -> ArraySlice<Int64> {
    counts[label * columns..<(label + 1) * columns]
  }

  /// Adds the counts of other images.
  package static func += (sum: inout LabelConfusion, other: LabelConfusion) {
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}
