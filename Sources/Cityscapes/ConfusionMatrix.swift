/// How often each class was taken for each other, in exact counts, so that the order of adding never matters.
package struct ConfusionMatrix: Equatable, Codable, Sendable {
  /// Classes, both ways.
  package static let classes = Label.classCount

  /// `counts[truth * 19 + prediction]`, in pixels.
  package private(set) var counts: [Int64]

  package init() { counts = [Int64](repeating: 0, count: Self.classes * Self.classes) }

  /// A matrix from its 361 counts, as another rank sent them.
  package init(counts: [Int64]) {
    precondition(counts.count == Self.classes * Self.classes)
    self.counts = counts
  }

  /// Pixels of class `truth` that were predicted to be `prediction`.
  package subscript(truth: Int, prediction: Int) -> Int64 { counts[truth * Self.classes + prediction] }

  /// Pixels counted so far.
  package var total: Int64 { counts.reduce(0, +) }

  /// Adds an image, or several.
  /// - Parameters:
  ///   - prediction: train ids 0 ..< 19, one a pixel.
  ///   - target: train ids, 255 where the pixel is ignored.
  package mutating func add(prediction: [UInt8], target: [UInt8]) {
    prediction.withUnsafeBufferPointer { prediction in
      target.withUnsafeBufferPointer { target in add(prediction: prediction, target: target) }
    }
  }

  /// The same on memory.
  package mutating func add(prediction: UnsafeBufferPointer<UInt8>, target: UnsafeBufferPointer<UInt8>) {
    precondition(prediction.count == target.count, "one prediction a pixel")
    precondition(prediction.count < Int(UInt32.max))
    guard let prediction = prediction.baseAddress, let truth = target.baseAddress else { return }
    // A table with a row for each byte needs no branch for ignored pixels. InterpolationTaps mostly fall into the same cell;
    // four tables in turn spare them waiting for each other.
    let columns = 32
    let size = 256 * columns
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * size) { tables in
      tables.initialize(repeating: 0)
      guard let table = tables.baseAddress else { return }
      var strayPredictions: UInt8 = 0
      var pixel = 0
      while pixel + 4 <= target.count {
        for lane in 0..<4 {
          let predicted = prediction[pixel + lane]
          strayPredictions |= predicted & 0xE0
          table[lane * size + Int(truth[pixel + lane]) * columns + Int(predicted & 0x1F)] &+= 1
        }
        pixel += 4
      }
      while pixel < target.count {
        strayPredictions |= prediction[pixel] & 0xE0
        table[Int(truth[pixel]) * columns + Int(prediction[pixel] & 0x1F)] &+= 1
        pixel += 1
      }
      precondition(strayPredictions == 0, "predictions are train ids below 19")
      for row in 0..<Int(Label.ignored) {
        for column in 0..<columns {
          let cell = row * columns + column
          let count = (0..<4).reduce(Int64(0)) { $0 + Int64(table[$1 * size + cell]) }
          if count == 0 { continue }
          precondition(row < Self.classes && column < Self.classes, "train ids are below 19, or 255 in the target")
          counts[row * Self.classes + column] += count
        }
      }
    }
  }

  package static func += (sum: inout ConfusionMatrix, other: ConfusionMatrix) {
    for index in sum.counts.indices { sum.counts[index] += other.counts[index] }
  }
}
