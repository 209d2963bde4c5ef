import Cityscapes

/// Pixels of one class that were predicted as another.
package struct ConfusedClasses: Equatable, Sendable {
  /// Train id of the ground truth.
  package let truth: Int
  /// Train id of the prediction.
  package let prediction: Int
  package let pixels: Int64
  /// `pixels` over all pixels of the class in the ground truth.
  package let share: Double
}

extension ConfusionMatrix {
  /// The pairs of classes with the most wrong pixels, the largest first.
  package func mostConfused(_ count: Int) -> [ConfusedClasses] {
    var pairs: [ConfusedClasses] = []
    for truth in 0..<classes {
      let row = (0..<classes).reduce(Int64(0)) { $0 + self[truth, $1] }
      for prediction in 0..<classes where prediction != truth && self[truth, prediction] > 0 {
        let pixels = self[truth, prediction]
        pairs.append(
          ConfusedClasses(
            truth: truth, prediction: prediction, pixels: pixels, share: Double(pixels) / Double(row)))
      }
    }
    // Sorting is stable: equal pairs stay in the order of their train ids.
    return Array(pairs.sorted { $0.pixels > $1.pixels }.prefix(count))
  }
}
