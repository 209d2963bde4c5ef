import Cityscapes

/// Boundary F-score and boundary IoU over the images of a split.
package struct BoundaryScores: Equatable, Codable, Sendable {
  package let thresholds: BoundaryThresholds
  /// Images added so far.
  package private(set) var images = 0
  /// The smallest and the largest radius of each threshold, in pixels; equal for images of one size.
  package private(set) var radii: [ClosedRange<Int>] = []
  /// The same for the distance of boundary IoU.
  package private(set) var distances: ClosedRange<Int>?
  /// Sums of the images' F-scores, by threshold, then train id: of images with a boundary of the class.
  private var fScores: [[Double]]
  /// The same with 1 for each image that has none.
  private var officialFScores: [[Double]]
  /// Images with a boundary of the class, by train id.
  private var present: [Int]
  private var regionIntersection: [Int]
  private var regionUnion: [Int]

  package init(_ thresholds: BoundaryThresholds, classes: Int = Label.classCount) {
    self.thresholds = thresholds
    present = [Int](repeating: 0, count: classes)
    (regionIntersection, regionUnion) = (present, present)
    fScores = thresholds.fScore.map { _ in [Double](repeating: 0, count: classes) }
    officialFScores = fScores
  }

  /// Adds the next image. F-scores are added in the order of the images, since sums of fractions round.
  package mutating func add(_ image: BoundaryCounts) {
    precondition(image.radii.count == thresholds.fScore.count, "the thresholds are those of the images")
    images += 1
    radii = image.radii.enumerated().map { index, radius in Self.extend(radii.isEmpty ? nil : radii[index], radius) }
    distances = Self.extend(distances, image.distance)
    for trainId in present.indices {
      let hasBoundary = image.hasBoundary(trainId)
      present[trainId] += hasBoundary ? 1 : 0
      for radius in image.radii.indices {
        let score = image.fScore(radius: radius, trainId: trainId)
        officialFScores[radius][trainId] += score
        if hasBoundary { fScores[radius][trainId] += score }
      }
      regionIntersection[trainId] += image.regionIntersection[trainId]
      regionUnion[trainId] += image.regionUnion[trainId]
    }
  }

  private static func extend(_ range: ClosedRange<Int>?, _ value: Int) -> ClosedRange<Int> {
    min(range?.lowerBound ?? value, value)...max(range?.upperBound ?? value, value)
  }

  /// The mean F-score of a class over the images that have a boundary of it, by train id; nil if none has.
  package func classF(threshold: Int) -> [Double?] {
    fScores[threshold].indices.map { present[$0] == 0 ? nil : fScores[threshold][$0] / Double(present[$0]) }
  }

  /// The mean over the classes that have a boundary in some image.
  package func meanF(threshold: Int) -> Double? { classF(threshold: threshold).mean }

  /// The mean F-score of a class over all images, as GSCNN's released evaluation: an image without a boundary of the
  /// class counts as 1, so that rare classes come out high.
  package func officialClassF(threshold: Int) -> [Double] {
    officialFScores[threshold].map { images == 0 ? 0 : $0 / Double(images) }
  }

  /// The mean over all classes, as GSCNN's released evaluation.
  package func officialMeanF(threshold: Int) -> Double? { officialClassF(threshold: threshold).map(Optional.init).mean }

  /// Boundary IoU of a class, over all images, by train id; nil for a class in neither ground truth nor prediction.
  package var classBoundaryIoU: [Double?] {
    regionUnion.indices.map {
      regionUnion[$0] == 0 ? nil : Double(regionIntersection[$0]) / Double(regionUnion[$0])
    }
  }

  /// The mean over the classes in ground truth or prediction.
  package var meanBoundaryIoU: Double? { classBoundaryIoU.mean }
}

extension BoundaryScores {
  /// A table in percent: F-score at each radius and boundary IoU, class by class. On small images several thresholds are
  /// the same radius, which is shown once.
  package func table(_ labels: LabelTable = .cityscapes) -> String {
    func pixels(_ range: ClosedRange<Int>) -> String {
      range.lowerBound == range.upperBound ? "\(range.lowerBound) px" : "\(range.lowerBound)–\(range.upperBound) px"
    }
    let shown = radii.indices.filter { radii.firstIndex(of: radii[$0]) == $0 }
    var table = PercentTable()
    table.header(
      "boundary, %", shown.map { "F " + pixels(radii[$0]) } + (distances.map { ["IoU " + pixels($0)] } ?? []))
    let scores = shown.map { classF(threshold: $0) } + [classBoundaryIoU]
    for (trainId, label) in labels.classes.enumerated() { table.row(label.name, scores.map { $0[trainId] }) }
    table.row("mean", shown.map { meanF(threshold: $0) } + [meanBoundaryIoU])
    table.row("mean, GSCNN's", shown.map { officialMeanF(threshold: $0) })
    return table.lines.joined(separator: "\n")
  }
}
