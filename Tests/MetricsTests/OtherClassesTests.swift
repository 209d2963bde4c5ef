import Cityscapes
import Foundation
import Metrics
import Tensors
import Testing

@Suite("Metrics of other classes than those of Cityscapes")
struct OtherClassesTests {
  private func table(_ classes: Int, categories: Int? = nil) throws -> LabelTable {
    let list = (0..<classes).map { index in
      let category = categories.map { #", "category": "k\#(index % $0)""# } ?? ""
      return #"{"name": "c\#(index)", "id": \#(index)\#(category)}"#
    }.joined(separator: ",")
    return try LabelTable(
      text: #"""
        {"name": "x", "classes": [\#(list)], "ignored": [200, 255], "images": "i/{split}/{name}.png",
        "labels": "l/{split}/{name}.png"}
        """#, in: "x.json")
  }

  @Test("Two classes: the figures are those of a count by hand, and there are no categories")
  func two() throws {
    let table = try table(2)
    var confusion = ConfusionMatrix(classes: 2)
    // Of class 0 three pixels, one of them wrong; of class 1 two pixels, none wrong; one ignored.
    confusion.add(prediction: [0, 0, 1, 1, 1, 0], target: [0, 0, 0, 1, 1, 255])
    let metrics = SegmentationMetrics(confusion, table)
    #expect(metrics.pixels == 5 && metrics.pixelAccuracy == 0.8)
    let twoThirds: Double = 2.0 / 3
    let (iou, accuracy): ([Double?], [Double?]) = ([twoThirds, twoThirds], [twoThirds, 1])
    #expect(metrics.classIoU == iou)
    #expect(metrics.classAccuracy == accuracy)
    #expect(metrics.meanCategoryIoU == nil && metrics.categoryIoU.isEmpty)
    let lines = metrics.table(table).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(
      lines == [
        "class            IoU, %   acc, %", "c0                66.67    66.67", "c1                66.67   100.00",
        "mean              66.67    83.33", "", "pixel accuracy    80.00",
      ])
  }

  @Test("150 classes in three categories: every pair is counted in its cell")
  func many() throws {
    let table = try table(150, categories: 3)
    var (truth, prediction) = ([UInt8](), [UInt8]())
    for row in 0..<150 {
      for _ in 0...row % 4 {
        truth.append(UInt8(row))
        prediction.append(UInt8((row + 3) % 150))
      }
    }
    var confusion = ConfusionMatrix(classes: 150)
    confusion.add(prediction: prediction, target: truth)
    for row in 0..<150 {
      for column in 0..<150 {
        let expected = column == (row + 3) % 150 ? Int64(row % 4) + 1 : 0
        #expect(confusion[row, column] == expected)
      }
    }
    let metrics = SegmentationMetrics(confusion, table)
    // Each class is taken for another one of its category.
    #expect(metrics.meanClassIoU == 0 && metrics.categoryIoU == [1, 1, 1] && metrics.meanCategoryIoU == 1)
    #expect(confusion.mostConfused(1).first?.truth == 3)
    #expect(try JSONDecoder().decode(ConfusionMatrix.self, from: JSONEncoder().encode(confusion)) == confusion)
  }

  @Test("Rows of label ids reach to 255; ignored ids are counted apart")
  func labelIds() throws {
    let table = try table(40)
    let labels = LabelConfusion(prediction: [0, 39, 39, 5], labelIds: [0, 39, 255, 200], table)
    #expect(labels.total == 4 && labels.ignored(table) == 2)
    #expect(labels.classes(table)[39, 39] == 1 && labels.classes(table).total == 2)
  }

  @Test("Boundaries of class 149 are found, and the table names it")
  func boundaries() throws {
    let table = try table(150)
    let map: [UInt8] = [149, 149, 7, 7, 149, 149, 7, 7]
    let thresholds = BoundaryThresholds(fScore: [1])
    let counts = BoundaryCounts(prediction: map, target: map, classes: 150, Size(2, 4), thresholds)
    #expect(counts.predicted[149] == 2 && counts.truth[7] == 2 && counts.truth.reduce(0, +) == 4)
    var scores = BoundaryScores(thresholds, classes: 150)
    scores.add(counts)
    #expect(scores.classF(threshold: 0)[149] == 1 && scores.classF(threshold: 0)[0] == nil)
    #expect(scores.table(table).contains("\nc149 "))
  }
}
