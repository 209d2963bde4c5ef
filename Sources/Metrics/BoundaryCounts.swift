import Cityscapes
import Tensors

/// How well the class boundaries of one predicted image agree with the ground truth, as counts of pixels.
package struct BoundaryCounts: Equatable, Codable, Sendable {
  /// The distances of the F-score, in pixels.
  package let radii: [Int]
  /// The distance of boundary IoU, in pixels.
  package let distance: Int
  /// Boundary pixels of the prediction and of the ground truth, by train id.
  package private(set) var predicted: [Int]
  package private(set) var truth: [Int]
  /// Those within a radius of a boundary pixel of the other; by radius, then train id.
  package private(set) var predictedMatches: [[Int]]
  package private(set) var truthMatches: [[Int]]
  /// Pixels that lie in the boundary regions of both, and in any of the two, by train id.
  package let regionIntersection: [Int]
  package let regionUnion: [Int]

  /// Compares the boundaries of a prediction with those of its ground truth.
  ///
  /// Ignored pixels belong to no class in both, as in GSCNN's evaluation.
  ///
  /// - Parameters:
  ///   - prediction: train ids 0 ..< `classes`.
  ///   - target: train ids, or `Label.ignored`.
  package init(
    prediction: [UInt8], target: [UInt8], classes: Int = Label.classCount, _ size: Size,
    _ thresholds: BoundaryThresholds
  ) {
    precondition(
      prediction.count == size.height * size.width && target.count == prediction.count, "one value for each pixel")
    radii = thresholds.radii(size)
    distance = thresholds.distance(size)
    var prediction = prediction
    for pixel in prediction.indices where target[pixel] == Label.ignored { prediction[pixel] = Label.ignored }
    let regions = BoundaryRegions(prediction, target, classes: classes, size, distance: distance)
    (regionIntersection, regionUnion) = (regions.intersection, regions.union)
    predicted = [Int](repeating: 0, count: classes)
    truth = predicted
    predictedMatches = radii.map { _ in [Int](repeating: 0, count: classes) }
    truthMatches = predictedMatches
    let ours = ClassBoundaries(of: prediction, classes: classes, size).pixels
    let theirs = ClassBoundaries(of: target, classes: classes, size).pixels
    let set = PixelSet(size)
    for trainId in 0..<classes {
      (predicted[trainId], truth[trainId]) = (ours[trainId].count, theirs[trainId].count)
      for (radius, count) in Self.matches(ours[trainId], theirs[trainId], radii, set).enumerated() {
        predictedMatches[radius][trainId] = count
      }
      for (radius, count) in Self.matches(theirs[trainId], ours[trainId], radii, set).enumerated() {
        truthMatches[radius][trainId] = count
      }
    }
  }

  /// How many pixels lie within each radius of another set.
  ///
  /// - Parameter set: an empty set, which is empty again afterwards.
  private static func matches(_ pixels: [Int32], _ others: [Int32], _ radii: [Int], _ set: PixelSet) -> [Int] {
    var counts = [Int](repeating: 0, count: radii.count)
    guard let largest = radii.max(), !pixels.isEmpty, !others.isEmpty else { return counts }
    set.insert(others)
    for pixel in pixels {
      guard let distance = set.squaredDistance(from: pixel, within: largest) else { continue }
      for (index, radius) in radii.enumerated() where distance <= radius * radius { counts[index] += 1 }
    }
    set.remove(others)
    return counts
  }

  /// The F-score of a class at a radius: the harmonic mean of precision and recall of its boundary pixels. 1 if neither
  /// prediction nor ground truth has any, 0 if one of them has.
  package func fScore(radius: Int, trainId: Int) -> Double {
    guard predicted[trainId] > 0, truth[trainId] > 0 else { return predicted[trainId] == truth[trainId] ? 1 : 0 }
    let precision = Double(predictedMatches[radius][trainId]) / Double(predicted[trainId])
    let recall = Double(truthMatches[radius][trainId]) / Double(truth[trainId])
    return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
  }

  /// Whether prediction or ground truth has a boundary of the class.
  package func hasBoundary(_ trainId: Int) -> Bool { predicted[trainId] > 0 || truth[trainId] > 0 }
}

/// At which distances boundaries are compared.
package struct BoundaryThresholds: Equatable, Codable, Sendable {
  /// Of the F-score: below 1 a fraction of the image's diagonal, rounded up to whole pixels; otherwise pixels.
  package let fScore: [Double]
  /// Of boundary IoU: a fraction of the image's diagonal, rounded to whole pixels, at least one.
  package let boundaryIoU: Double

  /// - Parameters:
  ///   - fScore: by default those of the GSCNN paper, which at 2048×1024 are 3, 5, 9 and 12 pixels.
  ///   - boundaryIoU: by default that of the paper's authors for Cityscapes, which at 2048×1024 is 11 pixels.
  package init(fScore: [Double] = [0.00088, 0.001875, 0.00375, 0.005], boundaryIoU: Double = 0.005) {
    self.fScore = fScore
    self.boundaryIoU = boundaryIoU
  }

  package func radii(_ size: Size) -> [Int] {
    fScore.map { $0 >= 1 ? Int($0) : Int(($0 * Self.diagonal(size)).rounded(.up)) }
  }

  package func distance(_ size: Size) -> Int {
    max(Int((boundaryIoU * Self.diagonal(size)).rounded(.toNearestOrEven)), 1)
  }

  private static func diagonal(_ size: Size) -> Double {
    Double(size.width * size.width + size.height * size.height).squareRoot()
  }
}
