/// A line of a chart.
struct Curve: Equatable {
  struct Point: Equatable {
    let x: Double
    let y: Double
    /// The smallest and the largest value that the point stands for; nil for a single one.
    var range: ClosedRange<Double>?
  }

  let name: String
  /// In the order of x.
  let points: [Point]
  /// Values that are infinite or not a number, and have no point.
  let omitted: Int
  /// How many values a point stands for at most.
  let valuesPerPoint: Int

  /// The most points of a line: more than the pixels of a phone, and few enough for a table.
  static let maximumPoints = 240

  /// A line through values, or through the means of equal numbers of consecutive values if there are more than
  /// `maximumPoints`.
  init(_ name: String, _ values: [(x: Double, y: Double?)]) {
    self.name = name
    let present = values.compactMap { value in value.y.map { (x: value.x, y: $0) } }
    let finite = present.filter { $0.y.isFinite && abs($0.y) < 1e300 && $0.x.isFinite }
    omitted = present.count - finite.count
    let size = max(1, (finite.count + Self.maximumPoints - 1) / Self.maximumPoints)
    valuesPerPoint = size
    guard size > 1 else {
      points = finite.map { Point(x: $0.x, y: $0.y) }
      return
    }
    points = stride(from: 0, to: finite.count, by: size).map { start in
      let bucket = finite[start..<min(start + size, finite.count)]
      let values = bucket.map(\.y)
      let (low, high) = values.reduce((values[0], values[0])) { (min($0.0, $1), max($0.1, $1)) }
      let mean = values.reduce(0, +) / Double(values.count)
      // The end of the bucket: a mean of steps up to there.
      return Point(x: bucket[bucket.endIndex - 1].x, y: min(max(mean, low), high), range: low...high)
    }
  }
}
