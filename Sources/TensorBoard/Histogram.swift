/// The distribution of numbers in buckets of equal width, as TensorBoard's own writer makes it.
package struct Histogram: Equatable {
  /// How many numbers lie in a range.
  package struct Bucket: Equatable {
    package fileprivate(set) var lowerBound: Double
    package fileprivate(set) var upperBound: Double
    package var count: Double
  }

  /// From the least number to the largest: 30; one around the number if all are equal; none if there are no numbers.
  package private(set) var buckets: [Bucket] = []

  /// That of the numbers times a positive factor.
  package func scaled(by factor: Double) -> Histogram {
    var scaled = self
    for index in buckets.indices {
      scaled.buckets[index].lowerBound *= factor
      scaled.buckets[index].upperBound *= factor
    }
    return scaled
  }

  /// - Parameter numbers: those that are not finite are left out.
  package init(of numbers: UnsafeBufferPointer<Float>, buckets count: Int = 30) {
    var (least, largest) = (Float.infinity, -Float.infinity)
    for number in numbers where number.isFinite {
      least = min(least, number)
      largest = max(largest, number)
    }
    guard least <= largest else { return }
    let start = Double(least)
    let range = Double(largest) - start
    guard range > 0 else {
      let finite = numbers.reduce(0.0) { $0 + ($1.isFinite ? 1 : 0) }
      buckets = [Bucket(lowerBound: start - 0.5, upperBound: start + 0.5, count: finite)]
      return
    }
    var counts = [Int](repeating: 0, count: count)
    let scale = Double(count) / range
    counts.withUnsafeMutableBufferPointer { counts in
      for number in numbers where number.isFinite { counts[min(Int((Double(number) - start) * scale), count - 1)] += 1 }
    }
    let width = range / Double(count)
    buckets = counts.enumerated().map { index, count in
      Bucket(
        lowerBound: start + Double(index) * width,
        upperBound: index + 1 == counts.count ? Double(largest) : start + Double(index + 1) * width,
        count: Double(count))
    }
  }
}
