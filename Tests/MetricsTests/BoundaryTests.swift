import Cityscapes
import Foundation
import ImageFixtures
import Metrics
import Tensors
import Testing

@Suite("Boundary F-score and boundary IoU") struct BoundaryTests {
  /// Written by `boundary_figures.py`, with NumPy and OpenCV.
  private struct Fixture: Decodable {
    struct Street: Decodable {
      let thresholds: [Double]
      let ratio: Double
      let counts: BoundaryCounts
    }
    struct Case: Decodable {
      let name: String
      let prediction: [String]
      let truth: [String]
      let counts: BoundaryCounts
    }
    struct Scores: Decodable {
      let f: [[Double?]]
      let gscnn_f: [[Double]]
      let mean_f: [Double?]
      let gscnn_mean_f: [Double?]
      let iou: [Double?]
      let mean_iou: Double?
    }
    let street: Street
    let thresholds: [Double]
    let ratio: Double
    let cases: [Case]
    let scores: Scores
  }

  private let fixture: Fixture
  private var thresholds: BoundaryThresholds {
    BoundaryThresholds(fScore: fixture.thresholds, boundaryIoU: fixture.ratio)
  }

  init() throws {
    let path = (#filePath as NSString).deletingLastPathComponent + "/Fixtures/boundary.json"
    fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// a … s are train ids, a dot is ignored.
  private func trainIds(_ rows: [String]) -> [UInt8] {
    rows.joined().utf8.map { $0 == UInt8(ascii: ".") ? Label.ignored : $0 - UInt8(ascii: "a") }
  }

  @Test("The counts of a street equal those of masks dilated and eroded by OpenCV, at radii up to 40 pixels")
  func street() throws {
    let (prediction, truth) = (
      try ImageFixtures.gray("prediction_trainIds"), try ImageFixtures.gray("labelTrainIds")
    )
    let thresholds = BoundaryThresholds(fScore: fixture.street.thresholds, boundaryIoU: fixture.street.ratio)
    let counts = BoundaryCounts(prediction: prediction.pixels, target: truth.pixels, truth.size, thresholds)
    #expect(counts == fixture.street.counts)
    #expect(counts.predicted.reduce(0, +) > 1000 && counts.regionUnion.reduce(0, +) > 1000)
  }

  @Test("So do those of noise, of rows, columns and single pixels, of missing classes and of ignored pixels")
  func cases() {
    #expect(fixture.cases.count == 12)
    for example in fixture.cases {
      let size = Size(example.truth.count, example.truth[0].utf8.count)
      let counts = BoundaryCounts(
        prediction: trainIds(example.prediction), target: trainIds(example.truth), size, thresholds)
      #expect(counts == example.counts, "\(example.name)")
    }
  }

  @Test("The scores of several images equal NumPy's to the last bit, by the rule of GSCNN's evaluation and by ours")
  func scores() {
    var scores = BoundaryScores(thresholds)
    for example in fixture.cases { scores.add(example.counts) }
    for threshold in fixture.thresholds.indices {
      #expect(scores.classF(threshold: threshold) == fixture.scores.f[threshold])
      #expect(scores.officialClassF(threshold: threshold) == fixture.scores.gscnn_f[threshold])
      #expect(scores.meanF(threshold: threshold) == fixture.scores.mean_f[threshold])
      #expect(scores.officialMeanF(threshold: threshold) == fixture.scores.gscnn_mean_f[threshold])
    }
    #expect(scores.classBoundaryIoU == fixture.scores.iou)
    #expect(scores.meanBoundaryIoU == fixture.scores.mean_iou)
    #expect(scores.images == 12)
    #expect(scores.radii == [5...5, 1...4], "0.02 of the diagonals of the images, rounded up")
  }

  @Test("The default distances at 2048×1024 are 3, 5, 9 and 12 pixels, and 11 for boundary IoU")
  func pixels() {
    let thresholds = BoundaryThresholds()
    #expect(thresholds.radii(Size(1024, 2048)) == [3, 5, 9, 12])
    #expect(thresholds.distance(Size(1024, 2048)) == 11)
    #expect(thresholds.radii(Size(64, 64)) == [1, 1, 1, 1] && thresholds.distance(Size(64, 64)) == 1)
    // The default of the released train.py in place of the paper's first threshold.
    #expect(BoundaryThresholds(fScore: [0.0005, 12]).radii(Size(1024, 2048)) == [2, 12])
  }

  @Test("An absent class counts as 1 by the rule of GSCNN's evaluation, and not at all by ours")
  func absent() {
    var scores = BoundaryScores(BoundaryThresholds(fScore: [1]))
    let truth = [0, 0, 1, 1] as [UInt8]
    scores.add(BoundaryCounts(prediction: [0, 0, 2, 2], target: truth, Size(1, 4), scores.thresholds))
    // Road is right; sidewalk was predicted as building.
    #expect(scores.classF(threshold: 0).prefix(4) == [1, 0, 0, nil])
    #expect(scores.meanF(threshold: 0) == 1.0 / 3)
    #expect(scores.officialClassF(threshold: 0).prefix(4) == [1, 0, 0, 1])
    #expect(scores.officialMeanF(threshold: 0) == 17.0 / 19)
    #expect(scores.classBoundaryIoU.prefix(4) == [1, 0, 0, nil])
  }

  @Test("The table has the radius in pixels in its header, or their range for images of several sizes")
  func table() {
    var scores = BoundaryScores(BoundaryThresholds(fScore: [0.1, 3]))
    let truth = [0, 0, 1, 1] as [UInt8]
    scores.add(BoundaryCounts(prediction: truth, target: truth, Size(1, 4), scores.thresholds))
    #expect(scores.table().hasPrefix("boundary, %     "))
    #expect(scores.table().split(separator: "\n")[0].hasSuffix(" F 1 px   F 3 px  IoU 1 px"))
    var same = BoundaryScores(BoundaryThresholds(fScore: [0.1, 1, 3]))
    same.add(BoundaryCounts(prediction: truth, target: truth, Size(1, 4), same.thresholds))
    #expect(same.table() == scores.table(), "two thresholds are one pixel here")
    let wide = [UInt8](repeating: 0, count: 15) + [1]
    scores.add(BoundaryCounts(prediction: wide, target: wide, Size(1, 16), scores.thresholds))
    #expect(scores.table().split(separator: "\n")[0].hasSuffix("F 1–2 px   F 3 px  IoU 1 px"))
    #expect(
      scores.table().split(separator: "\n").suffix(2).allSatisfy { $0.hasPrefix("mean") && $0.contains(" 100.00") })
  }
}
