import Cityscapes
import Foundation
import ImageFixtures
import Images
import Inference
import Metrics
import Tensors
import Testing

/// The files of `official_figures.py`: two small images, predictions of them, and the result of cityscapesScripts'
/// `evalPixelLevelSemanticLabeling` on these files.
@Suite("The report of an evaluation")
struct EvaluationReportTests {
  private static let names = ["town_000000_000019", "town_000001_000019"]
  private let folder: TemporaryFolder
  private let samples: [SamplePaths]

  /// A validation split of the two images.
  init() throws {
    folder = try TemporaryFolder()
    let root = folder.path
    samples = Self.names.map { SamplePaths(root: root, split: .val, city: "town", name: $0) }
    try FileManager.default.createDirectory(atPath: root + "/gtFine/val/town", withIntermediateDirectories: true)
    for (sample, name) in zip(samples, Self.names) {
      try FileManager.default.copyItem(atPath: Self.fixture(name + "_gtFine_labelIds.png"), toPath: sample.labelIds)
      try FileManager.default.copyItem(
        atPath: Self.fixture(name + "_gtFine_instanceIds.png"), toPath: sample.instanceIds)
    }
  }

  private static func fixture(_ name: String) -> String {
    (#filePath as NSString).deletingLastPathComponent + "/Fixtures/" + name
  }

  private func evaluate() throws -> Evaluation {
    var evaluation = Evaluation(of: .val, details: EvaluationDetails(BoundaryThresholds(fScore: [1, 3])))
    for (sample, name) in zip(samples, Self.names) {
      let predicted = try PNG.read(Self.fixture(name + "_prediction.png"), as: .gray)
      let prediction = predicted.pixels.map { Label.trainIds[Int($0)] }
      let target = try PNG.read(Self.fixture(name + "_gtFine_labelIds.png"), as: .gray).pixels.map {
        Label.trainIds[Int($0)]
      }
      var confusion = ConfusionMatrix()
      confusion.add(prediction: prediction, target: target)
      evaluation.add(confusion, losses: [1.5], seconds: 0.5)
      evaluation.add([
        try ImageMeasurement(
          sample, prediction: prediction, target: target, predicted.size, BoundaryThresholds(fScore: [1, 3]))
      ])
    }
    return evaluation
  }

  private func report(
    _ evaluation: Evaluation, at path: String? = nil, absentClasses: SegmentationMetrics.AbsentClasses = .leftOut
  ) -> EvaluationReport {
    EvaluationReport(
      evaluation, of: PredictionFolder(path ?? ".", of: samples, as: .labelIds()), at: path, precision: .bfloat16,
      absentClasses: absentClasses)
  }

  private func json(_ report: EvaluationReport) throws -> [String: Any] {
    try report.write(to: folder.file("figures.json"))
    return try parsed(folder.file("figures.json"))
  }

  /// NaN, which is no JSON, becomes a text.
  private func parsed(_ path: String) throws -> [String: Any] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let strict = text.replacingOccurrences(
      of: #"(?<=[:\[,])(\s*)NaN"#, with: "$1\"NaN\"", options: .regularExpression)
    return try #require(JSONSerialization.jsonObject(with: Data(strict.utf8)) as? [String: Any])
  }

  @Test("Every figure equals that of cityscapesScripts to the last bit, iIoU and per-image scores included")
  func official() throws {
    let ours = try json(report(evaluate()))
    let theirs = try parsed(Self.fixture("official.json"))
    #expect(theirs.count == 12)
    for (key, value) in theirs where key != "perImageScores" {
      #expect((ours[key] as? NSObject) == (value as? NSObject), "\(key)")
    }
    let (images, expected) = (
      try #require(ours["perImageScores"] as? [String: [String: Any]]),
      try #require(theirs["perImageScores"] as? [String: [String: Any]])
    )
    #expect(images.keys.sorted() == expected.keys.sorted())
    for (name, scores) in expected {
      for (key, value) in scores {
        #expect((images[name]?[key] as? NSObject) == (value as? NSObject), "\(name) \(key)")
      }
    }
    let second = try #require(images["town_000001_000019_prediction.png"])
    #expect(second["labeled_pixels"] as? Int == 24 * 40 - 543)
  }

  @Test("Absent classes that count as 0 change our means and none of cityscapesScripts'")
  func absentAsZero() throws {
    let evaluation = try evaluate()
    let (plain, zero) = (try json(report(evaluation)), try json(report(evaluation, absentClasses: .zero)))
    #expect(plain["averageScoreClasses"] as? Double == zero["averageScoreClasses"] as? Double)
    #expect(plain["mean_class_iou"] as? Double == plain["averageScoreClasses"] as? Double)
    #expect(try #require(zero["mean_class_iou"] as? Double) < #require(plain["mean_class_iou"] as? Double))
  }

  @Test("The worst images and the most confused classes are named, in the table and in the JSON")
  func named() throws {
    let evaluation = try evaluate()
    let lines = report(evaluation).table.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let content = try json(report(evaluation, at: "some/where"))
    let worst = try #require(content["worst_images"] as? [[String: Any]])
    #expect(worst.count == 2)
    #expect(
      try #require(worst[0]["mean_class_iou"] as? Double) < #require(worst[1]["mean_class_iou"] as? Double))
    let scores = try #require(content["perImageScores"] as? [String: [String: Any]])
    #expect(scores.keys.sorted() == Self.names.map { "some/where/\($0)_prediction.png" })
    let start = try #require(lines.firstIndex(of: "worst images, mean class IoU"))
    for (line, image) in zip(lines[(start + 1)...], worst) {
      let (name, score) = (try #require(image["image"] as? String), try #require(image["mean_class_iou"] as? Double))
      #expect(line == String(format: "%7.2f %%  ", 100 * score) + name)
      #expect(scores["some/where/\(name)_prediction.png"]?["mean_class_iou"] as? Double == score)
    }
    #expect(content["precision"] as? String == "bfloat16")
    let confused = try #require(content["most_confused_classes"] as? [[String: Any]])
    #expect(confused.count == 5)
    let second = try #require(lines.firstIndex(of: "most confused classes by pixels, share of the class"))
    for (line, pair) in zip(lines[(second + 1)...], confused) {
      let (truth, other) = (try #require(pair["truth"] as? String), try #require(pair["prediction"] as? String))
      #expect(line == String(format: "%7.2f %%  ", 100 * (pair["share"] as? Double ?? .nan)) + "\(truth) as \(other)")
    }
    #expect(lines[0] == "class            IoU, %   acc, %  iIoU, %")
    #expect(lines.contains { $0.hasPrefix("boundary, %") && $0.hasSuffix("F 1 px   F 3 px  IoU 1 px") })
    #expect(lines.last == "FPS              2.000   (2 images)")
  }

  @Test("Without instance maps there is no iIoU; if some images have one, a line says how many have none")
  func withoutInstances() throws {
    try FileManager.default.removeItem(atPath: samples[1].instanceIds)
    #expect(
      report(try evaluate()).table.contains(
        "\niIoU is left out: 1 of 2 images have no *_gtFine_instanceIds.png.\n"))
    try FileManager.default.removeItem(atPath: samples[0].instanceIds)
    let evaluation = try evaluate()
    #expect(!report(evaluation).table.contains("iIoU"))
    let content = try json(report(evaluation))
    #expect(content["averageScoreInstClasses"] as? String == "NaN")
    #expect((content["classInstScores"] as? [String: String])?.values.allSatisfy { $0 == "NaN" } == true)
    #expect(content["averageScoreClasses"] as? Double == 0.37036616982125414)
  }

  @Test(
    "A label or instance map of another size, kind or content is refused by name",
    arguments: ["size", "kind", "instance", "label", "missing"])
  func refused(kind: String) throws {
    let sample = samples[0]
    let problem: String
    switch kind {
    case "size":
      try PNG.write(Image(Size(32, 40), channels: 1), to: sample.instanceIds)
      problem = "\(sample.instanceIds): 40×32, but its image is 48×32; restore the file"
    case "kind":
      try PNG.write(Image(Size(32, 48), channels: 3), to: sample.instanceIds)
      problem = "\(sample.instanceIds): is 8-bit RGB, but 16-bit gray is needed here; convert it to 16-bit gray"
    case "instance":
      try FileManager.default.removeItem(atPath: sample.instanceIds)
      try FileManager.default.copyItem(
        atPath: Self.fixture("road_instance_instanceIds.png"), toPath: sample.instanceIds)
      problem = "\(sample.instanceIds): holds 7005, which is no instance of a class that has instances; restore"
    case "label":
      try PNG.write(Image(Size(32, 48), channels: 1, filledWith: 34), to: sample.labelIds)
      problem = "\(sample.labelIds): holds 34, which is no label id (0 … 33); restore the file"
    default:
      try FileManager.default.removeItem(atPath: sample.labelIds)
      problem = "\(sample.labelIds): does not exist; restore the file"
    }
    let error = #expect(throws: ImageError.self) {
      try ImageMeasurement(
        sample, prediction: [UInt8](repeating: 0, count: 48 * 32), target: [UInt8](repeating: 0, count: 48 * 32),
        Size(32, 48), BoundaryThresholds())
    }
    #expect(error?.description.hasPrefix(problem) == true, "\(String(describing: error))")
  }

  @Test("An image of the test split without labels has ignored pixels alone")
  func unlabeled() throws {
    let sample = SamplePaths(root: folder.path, split: .test, city: "town", name: "none")
    let measurement = try ImageMeasurement(
      sample, prediction: [1, 2], target: [255, 255], Size(1, 2), BoundaryThresholds())
    var evaluation = Evaluation(of: .test, details: EvaluationDetails(BoundaryThresholds()))
    evaluation.add([measurement])
    #expect(evaluation.details?.images.map(\.ignored) == [2] && evaluation.details?.images.map(\.labeled) == [0])
    #expect(evaluation.details?.worst(5).isEmpty == true)
  }
}
