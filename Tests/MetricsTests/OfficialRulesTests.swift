import Cityscapes
import Metrics
import Testing

@Suite("Figures of cityscapesScripts") struct OfficialRulesTests {
  @Test("The matrix has a row for each label id, ignored ones included")
  func labels() {
    let labels = LabelConfusion(prediction: [0, 0, 13, 18, 5], labelIds: [7, 0, 26, 29, 33])
    #expect(labels.total == 5 && labels.ignored() == 2)
    #expect(labels.pixels(labelId: 7) == 1 && labels.pixels(labelId: 29) == 1 && labels.pixels(labelId: 8) == 0)
    let matrix = labels.byLabelId
    #expect(matrix.count == 34 && matrix.allSatisfy { $0.count == 34 })
    #expect(matrix[7][7] == 1 && matrix[0][7] == 1 && matrix[26][26] == 1 && matrix[29][33] == 1 && matrix[33][17] == 1)
    #expect(matrix.joined().reduce(0, +) == 5)
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [0, 0, 13, 18, 5], target: [0, 255, 13, 255, 18])
    #expect(labels.classes() == confusion)
    var twice = labels
    twice += labels
    #expect(twice.byLabelId[7][7] == 2 && twice.total == 10)
  }

  @Test("Each instance counts as one of average size; false positives are plain pixels")
  func instances() throws {
    // Two cars of 4 and 1 pixels, of which 3 and 1 are found; a truck takes the fourth; road is taken for a car.
    let map = [26000, 26000, 26000, 26000, 26001, 7, 26] as [UInt16]
    let prediction = [13, 13, 13, 14, 13, 13, 13] as [UInt8]
    let overlaps = try InstanceOverlap.measure(map: map, prediction: prediction)
    #expect(overlaps.map(\.id) == [26000, 26001])
    #expect(overlaps.map(\.size) == [4, 1] && overlaps.map(\.classPixels) == [3, 1])
    #expect(overlaps.map(\.categoryPixels) == [4, 1])
    var scores = InstanceScores()
    scores.add(overlaps)
    var confusion = ConfusionMatrix()
    confusion.add(prediction: prediction, target: [13, 13, 13, 13, 13, 0, 13])
    let metrics = scores.metrics(confusion)
    let size = 12794.0202738185
    let (found, missed) = (3 * (size / 4) + size, size / 4)
    #expect(metrics.classIoU[13] == found / (found + 1 + missed))
    #expect(metrics.classIoU[14] == 0, "predicted, without an instance")
    #expect(metrics.classIoU[0] == nil && metrics.classIoU[11] == nil)
    #expect(metrics.categoryIoU.compactMap(\.self) == [2 * size / (2 * size + 1)])
    #expect(metrics.meanCategoryIoU == metrics.categoryIoU[6])
    #expect(InstanceScores().metrics(ConfusionMatrix()).meanClassIoU == nil)
  }

  @Test("Instances of ignored labels are skipped; those of labels without instances are refused")
  func otherInstances() throws {
    // Ego vehicle, caravan and trailer; 1000 belongs to no instance.
    #expect(try InstanceOverlap.measure(map: [1001, 29003, 30000, 1000], prediction: [0, 0, 0, 0]) == [])
    for id in [7001, 17000, 34000, 65535] as [UInt16] {
      #expect(throws: InstanceOverlap.InvalidId(id: Int(id))) {
        try InstanceOverlap.measure(map: [0, id, 26001], prediction: [0, 0, 13])
      }
    }
  }

  @Test("The most confused classes come first, equal ones in the order of their train ids")
  func confused() {
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [1, 1, 0, 2, 3, 4, 5, 0, 0], target: [0, 0, 1, 1, 1, 4, 4, 4, 0])
    let pairs = confusion.mostConfused(5)
    let expected: [[Int]] = [[0, 1], [1, 0], [1, 2], [1, 3], [4, 0]]
    #expect(pairs.map { [$0.truth, $0.prediction] } == expected)
    #expect(pairs.map(\.pixels) == [2, 1, 1, 1, 1])
    let third = 1.0 / 3
    #expect(pairs.map(\.share) == [2 * third, third, third, third, third])
    #expect(ConfusionMatrix().mostConfused(5) == [])
  }
}
