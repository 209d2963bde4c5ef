import Cityscapes
import Foundation
import ImageFixtures
import Metrics
import Tensors
import Testing

@Suite("Segmentation metrics") struct SegmentationMetricsTests {
  private struct Reference: Decodable {
    let confusion: [[Int64]]
    let pixel_accuracy: Double
    let mean_accuracy_seed: Double
    let class_iou: [Double?]
    let class_miou_cityscapes: Double
    let class_miou_seed: Double
    let category_iou: [Double?]
    let category_miou_cityscapes: Double
    let category_miou_seed: Double
  }

  private func isNear(_ left: Double?, _ right: Double?) -> Bool {
    guard let left, let right else { return left == nil && right == nil }
    return abs(left - right) < 1e-12
  }

  private func confusion() throws -> ConfusionMatrix {
    var confusion = ConfusionMatrix()
    confusion.add(
      prediction: try ImageFixtures.gray("prediction_trainIds").pixels,
      target: try ImageFixtures.gray("labelTrainIds").pixels)
    return confusion
  }

  @Test("Metrics equal those of cityscapesScripts, and of the reference implementation for absent classes as 0")
  func reference() throws {
    let path = (#filePath as NSString).deletingLastPathComponent + "/Fixtures/metrics.json"
    let reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    let confusion = try confusion()
    #expect(confusion.counts == reference.confusion.flatMap { $0 })
    let metrics = SegmentationMetrics(confusion)
    let zero = SegmentationMetrics(confusion, absentClasses: .zero)
    #expect(isNear(metrics.pixelAccuracy, reference.pixel_accuracy))
    #expect(zip(metrics.classIoU, reference.class_iou).allSatisfy(isNear))
    #expect(zip(metrics.categoryIoU, reference.category_iou).allSatisfy(isNear))
    #expect(isNear(metrics.meanClassIoU, reference.class_miou_cityscapes))
    #expect(isNear(metrics.meanCategoryIoU, reference.category_miou_cityscapes))
    #expect(isNear(zero.pixelAccuracy, reference.pixel_accuracy))
    #expect(isNear(zero.meanAccuracy, reference.mean_accuracy_seed))
    #expect(isNear(zero.meanClassIoU, reference.class_miou_seed))
    #expect(isNear(zero.meanCategoryIoU, reference.category_miou_seed))
    #expect(metrics.meanAccuracy > zero.meanAccuracy, "absent classes are left out")
  }

  @Test("A confusion matrix equals a plain loop, in parts or at once", arguments: [0, 1, 3, 4, 1001])
  func counts(pixels: Int) {
    var random = RandomNumbers(7)
    let prediction = (0..<pixels).map { _ in UInt8(random.uniform(below: 19)) }
    let target = (0..<pixels).map { _ in random.uniform(below: 5) == 0 ? 255 : UInt8(random.uniform(below: 19)) }
    var plain = [Int64](repeating: 0, count: 361)
    for (p, t) in zip(prediction, target) where t != 255 { plain[Int(t) * 19 + Int(p)] += 1 }
    var whole = ConfusionMatrix()
    whole.add(prediction: prediction, target: target)
    #expect(whole.counts == plain)
    #expect(whole.total == plain.reduce(0, +))
    let cut = pixels / 3
    var parts = ConfusionMatrix()
    var rest = ConfusionMatrix()
    parts.add(prediction: Array(prediction[..<cut]), target: Array(target[..<cut]))
    rest.add(prediction: Array(prediction[cut...]), target: Array(target[cut...]))
    parts += rest
    #expect(parts == whole)
    #expect(ConfusionMatrix(counts: whole.counts) == whole)
  }

  @Test("A class that the ground truth lacks and that is predicted counts as 0, one in neither does not count")
  func predictedClass() {
    // All road, of which a tenth is predicted as pole: as cityscapesScripts, 0.9 and 0.
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [0, 0, 0, 0, 5, 0, 0, 0, 0, 0], target: [UInt8](repeating: 0, count: 10))
    let metrics = SegmentationMetrics(confusion)
    #expect(metrics.classIoU == [0.9, nil, nil, nil, nil, 0] + [Double?](repeating: nil, count: 13))
    #expect(isNear(metrics.meanClassIoU, 0.45))
    #expect(metrics.categoryIoU == [0.9, nil, 0, nil, nil, nil, nil])
    #expect(isNear(metrics.meanCategoryIoU, 0.45))
    #expect(metrics.classAccuracy.compactMap { $0 } == [0.9] && isNear(metrics.meanAccuracy, 0.9))
  }

  @Test("A correct prediction scores 1")
  func perfect() {
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [3, 3, 7, 0], target: [3, 3, 7, 255])
    let metrics = SegmentationMetrics(confusion)
    #expect(metrics.pixels == 3)
    #expect(metrics.pixelAccuracy == 1 && metrics.meanAccuracy == 1)
    #expect(metrics.meanClassIoU == 1 && metrics.meanCategoryIoU == 1)
    #expect(metrics.classIoU.compactMap { $0 } == [1, 1])
    #expect(isNear(SegmentationMetrics(confusion, absentClasses: .zero).meanClassIoU, 2.0 / 19))
  }

  @Test("Classes of one category count as one in the category IoU")
  func categories() {
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [13, 14], target: [14, 13])
    #expect(SegmentationMetrics(confusion).meanClassIoU == 0)
    #expect(SegmentationMetrics(confusion).meanCategoryIoU == 1)
  }

  @Test("Without labeled pixels all metrics are 0, in the table and as JSON")
  func nothing() throws {
    let metrics = SegmentationMetrics(ConfusionMatrix())
    #expect(metrics.pixels == 0 && metrics.meanClassIoU == 0 && metrics.pixelAccuracy == 0)
    #expect(metrics.table().contains("nothing to measure"))
    #expect(try JSONDecoder().decode(SegmentationMetrics.self, from: JSONEncoder().encode(metrics)) == metrics)
  }

  @Test("The table has a line for each class and category, in percent")
  func table() throws {
    let metrics = SegmentationMetrics(try confusion())
    let lines = metrics.table().split(separator: "\n").map(String.init)
    for label in Label.classes { #expect(lines.contains { $0.hasPrefix(label.name + " ") }) }
    for category in Label.Category.evaluated { #expect(lines.contains { $0.hasPrefix(category.rawValue + " ") }) }
    #expect(lines.contains("road               0.00        –"))
    #expect(lines.contains("sidewalk              –        –"))
    #expect(lines.contains { $0.hasPrefix("wall") && $0.contains("69.92") })
    #expect(lines.contains("mean              55.94    69.76"))
    #expect(lines.contains("pixel accuracy    72.35"))
    #expect(try JSONDecoder().decode(SegmentationMetrics.self, from: JSONEncoder().encode(metrics)) == metrics)
  }
}
