import Cityscapes

/// A confusion matrix of exact counts: the order of summation does not matter.
package struct ConfusionMatrix: Equatable, Codable, Sendable {
  /// The number of rows and of columns.
  package let classes: Int

  private enum CodingKeys: String, CodingKey {
    case counts
  }

  /// Pixels, `counts[truth * classes + prediction]`.
  package private(set) var counts: [Int64]

  package init(classes: Int = Label.classCount) {
    self.classes = classes
    counts = [Int64](repeating: 0, count: classes * classes)
  }

  /// A matrix from its counts, `classes` · `classes` of them.
  package init(counts: [Int64]) {
    classes = Self.squareRoot(counts.count) ?? 0
    precondition(counts.count == classes * classes)
    self.counts = counts
  }

  private static func squareRoot(_ square: Int) -> Int? {
    let root = Int(Double(square).squareRoot().rounded())
    return root * root == square ? root : nil
  }

  /// Pixels of class `truth` that were predicted as `prediction`.
  package subscript(truth: Int, prediction: Int) -> Int64 { counts[truth * classes + prediction] }

  /// Pixels counted so far.
  package var total: Int64 { counts.reduce(0, +) }

  /// Adds the pixels of one or more images.
  /// - Parameters:
  ///   - prediction: train ids 0 ..< `classes`.
  ///   - target: train ids; pixels with `Label.ignored` do not count.
  package mutating func add(prediction: [UInt8], target: [UInt8]) {
    PixelPairs.count(truth: target, prediction: prediction, classes: classes) { truth, prediction, count in
      if truth == Int(Label.ignored) { return }
      precondition(truth < classes && prediction < classes, "a value is no train id")
      counts[truth * classes + prediction] += count
    }
  }

  /// Adds the counts of another matrix.
  package static func += (sum: inout ConfusionMatrix, other: ConfusionMatrix) {
    precondition(sum.classes == other.classes)
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}

extension ConfusionMatrix {
  /// Counts that make no square have no classes: who reads a file refuses a matrix of another number than expected.
  package init(from decoder: any Decoder) throws {
    counts = try decoder.container(keyedBy: CodingKeys.self).decode([Int64].self, forKey: .counts)
    classes = Self.squareRoot(counts.count) ?? 0
  }
}
