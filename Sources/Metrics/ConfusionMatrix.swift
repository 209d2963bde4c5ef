import Cityscapes

/// A confusion matrix of exact counts: the order of summation does not matter.
package struct ConfusionMatrix: Equatable, Codable, Sendable {
  /// The number of rows and of columns.
  package static let classes = Label.classCount

  /// Pixels, `counts[truth * classes + prediction]`.
  package private(set) var counts: [Int64]

  package init() { counts = [Int64](repeating: 0, count: Self.classes * Self.classes) }

  /// A matrix from its counts, `classes` · `classes` of them.
  package init(counts: [Int64]) {
    precondition(counts.count == Self.classes * Self.classes)
    self.counts = counts
  }

  /// Pixels of class `truth` that were predicted as `prediction`.
  package subscript(truth: Int, prediction: Int) -> Int64 { counts[truth * Self.classes + prediction] }

  /// Pixels counted so far.
  package var total: Int64 { counts.reduce(0, +) }

  /// Adds the pixels of one or more images.
  /// - Parameters:
  ///   - prediction: train ids 0 ..< `classes`.
  ///   - target: train ids; pixels with `Label.ignored` do not count.
  package mutating func add(prediction: [UInt8], target: [UInt8]) {
    PixelPairs.count(truth: target, prediction: prediction) { truth, prediction, count in
      if truth == Int(Label.ignored) { return }
      precondition(truth < Self.classes && prediction < Self.classes, "a value is no train id")
      counts[truth * Self.classes + prediction] += count
    }
  }

  /// Adds the counts of another matrix.
  package static func += (sum: inout ConfusionMatrix, other: ConfusionMatrix) {
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}
