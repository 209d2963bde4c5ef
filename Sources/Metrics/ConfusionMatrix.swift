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
    prediction.withUnsafeBufferPointer { prediction in
      target.withUnsafeBufferPointer { target in add(prediction: prediction, target: target) }
    }
  }

  private mutating func add(prediction: UnsafeBufferPointer<UInt8>, target: UnsafeBufferPointer<UInt8>) {
    precondition(prediction.count == target.count, "one prediction for each pixel")
    precondition(prediction.count < Int(UInt32.max))
    guard let prediction = prediction.baseAddress, let truth = target.baseAddress else { return }
    // A table with a row for each byte needs no branch for ignored pixels. Adjacent pixels mostly count in the same cell;
    // four tables in turn avoid the latency of repeated increments of one cell.
    let columns = 32
    let size = 256 * columns
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * size) { tables in
      tables.initialize(repeating: 0)
      guard let table = tables.baseAddress else { return }
      var invalidBits: UInt8 = 0
      var pixel = 0
      while pixel + 4 <= target.count {
        for lane in 0..<4 {
          let predicted = prediction[pixel + lane]
          invalidBits |= predicted & 0xE0
          table[lane * size + Int(truth[pixel + lane]) * columns + Int(predicted & 0x1F)] &+= 1
        }
        pixel += 4
      }
      while pixel < target.count {
        invalidBits |= prediction[pixel] & 0xE0
        table[Int(truth[pixel]) * columns + Int(prediction[pixel] & 0x1F)] &+= 1
        pixel += 1
      }
      precondition(invalidBits == 0, "predictions are train ids below \(Self.classes)")
      for row in 0..<Int(Label.ignored) {
        for column in 0..<columns {
          let cell = row * columns + column
          let count = (0..<4).reduce(Int64(0)) { $0 + Int64(table[$1 * size + cell]) }
          if count == 0 { continue }
          precondition(row < Self.classes && column < Self.classes, "the target holds a value that is no train id")
          counts[row * Self.classes + column] += count
        }
      }
    }
  }

  /// Adds the counts of another matrix.
  package static func += (sum: inout ConfusionMatrix, other: ConfusionMatrix) {
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}
