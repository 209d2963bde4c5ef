import Foundation
import Reports
import Training

/// The files of a run in a temporary folder, written by hand.
final class RunFiles {
  let folder: String
  let prefix: String

  init(_ name: String = "results", seed: Int = 0) throws {
    folder = NSTemporaryDirectory() + "/gscnn-report-\(UUID().uuidString)/" + name
    prefix = folder + "/resnet50_64_64"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try writeAll(seed: seed)
  }

  deinit { try? FileManager.default.removeItem(atPath: URL(fileURLWithPath: folder).deletingLastPathComponent().path) }

  static let classes = ["road", "sky", "car"]
  static let endings = [
    "_statistics.csv", "_steps.csv", "_classes.csv", "_run.json", "_options.yaml", "_validation.json",
  ]

  /// The page of the run.
  func page(dataPath: String? = nil) throws -> ParsedPage {
    try ParsedPage(RunReport(RunRecord(prefix), dataPath: dataPath).text)
  }

  func write(_ text: String, to ending: String) throws { try Data(text.utf8).write(to: url(ending)) }

  func text(_ ending: String) throws -> String { try String(contentsOf: url(ending), encoding: .utf8) }

  func remove(_ ending: String) throws { try FileManager.default.removeItem(at: url(ending)) }

  func url(_ ending: String) -> URL { URL(fileURLWithPath: prefix + ending) }

  /// The values of a column of one of the CSV files, empty ones as nil.
  func column(_ name: String, of ending: String) throws -> [Double?] {
    let lines = try text(ending).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    guard let index = lines[0].firstIndex(of: name[...]) else { return [] }
    return lines.dropFirst().map { Double($0[index]) }
  }

  // MARK: - Contents

  private func writeAll(seed: Int) throws {
    try write(
      """
      epoch,train_loss,val_loss,train_PA,val_PA,train_mPA,val_mPA,train_class_mIOU,val_class_mIOU,\
      train_category_mIOU,val_category_mIOU,learning_rate,seconds,images_per_second,val_boundary_F_0.00088,\
      val_boundary_F_0.005,ema_val_loss,ema_val_PA,ema_val_mPA,ema_val_class_mIOU,ema_val_category_mIOU
      1,2.5,2.75,50.1250,48.5000,30.0000,28.0000,20.2500,1\(seed).7500,40.0000,38.0000,0.01,61.25,2.5,10.5000,20.2500,\
      2.8,47.0000,27.0000,17.5000,37.0000
      2,1.5,1.875,60.1250,58.5000,40.0000,38.0000,33.5000,31.2500,50.0000,48.0000,0.0075,60.50,2.75,12.5000,24.5000,\
      1.9,57.0000,37.0000,30.5000,47.0000
      3,1.25,1.75,62.0000,57.0000,41.0000,37.5000,36.0000,30.5000,52.0000,47.0000,0.005,60.25,2.75,12.7500,24.7500,\
      1.7,58.0000,38.0000,31.7500,48.0000

      """, to: "_statistics.csv")
    try write(
      """
      epoch,split,road,sky,car
      1,train,50.5000,10.2500,
      1,val,48.5000,8.5000,
      2,train,60.0000,41.0000,0.5000
      2,val,58.2500,4.2500,
      2,ema,57.0000,4.0000,
      3,val,60.0000,1.0000,

      """, to: "_classes.csv")
    try write(Self.steps(count: 3, perEpoch: 4), to: "_steps.csv")
    try write(
      "# The options of the run's last start.\ndata-path: nowhere\nsave-path: results\nbatch-size: 4\n"
        + "learning-rate: 0.0\(seed + 1)\nepochs: 5\nsave-best: class-miou\n", to: "_options.yaml")
    try write(Self.description(classes: Self.classes), to: "_run.json")
    try write(Self.validation(classes: Self.classes), to: "_validation.json")
  }

  /// - Parameters:
  ///   - count: epochs.
  ///   - perEpoch: steps.
  static func steps(count: Int, perEpoch: Int) -> String {
    var lines = [
      "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second,loading_seconds,forward_seconds,"
        + "backward_seconds,communication_seconds,update_seconds"
    ]
    for index in 0..<count * perEpoch {
      // Halves and quarters, whose sums do not round.
      let loss = 4 + Double(index * 7 % 16) / 4
      lines.append(
        "\(index / perEpoch + 1),\(index % perEpoch + 1),\(loss),\(loss - 1.5),1,0.5,0.01,\(Double(index % 5) + 0.5),2,"
          + "0.125,0.5,1,0.25,0.0625")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static func description(classes: [String], dataPath: String = "/nowhere") -> String {
    let colors = ["[128, 64, 128]", "[70, 130, 180]", "[0, 0, 142]"]
    let entries = classes.enumerated().map { "{\"name\": \(json($1)), \"color\": \(colors[$0 % 3])}" }
    return """
      {"run": "a", "dataPath": \(json(dataPath)), "prepared": null, "dataSet": "Streets", \
      "classes": [\(entries.joined(separator: ", "))], "images": {"train": 8, "val": 2}, "parameters": 1234567, \
      "imagesPerStep": 4, "stepsPerEpoch": 4, "steps": 20, "epochs": 5, "starts": [{"time": "2026-11-27T10:00:00Z", \
      "version": "0.1.0", "command": ["gscnn", "train", "--data-path", "my data"], "ranks": 2, \
      "layout": ["2 ranks on 1 machine", "  node: ranks 0-1"], "instructionSet": "avx2", "step": 0}]}
      """
  }

  /// The first two classes have pixels, the others have none.
  static func validation(classes: [String], worst: [String] = ["town_000000_000019"]) -> String {
    func byClass(_ first: String, _ second: String, _ absent: String) -> String {
      let values = [first, second] + classes.dropFirst(2).map { _ in absent }
      return zip(classes, values).map { "\(json($0)): \($1)" }.joined(separator: ", ")
    }
    let zeros = classes.dropFirst(2).map { _ in ", 0" }.joined()
    let rows = ["600, 100", "275, 25"] + classes.dropFirst(2).map { _ in "0, 0" }
    let confusion = rows.map { "[\($0)\(zeros)]" }.joined(separator: ", ")
    let scores = byClass(
      "{\"iou\": 0.5825, \"accuracy\": 0.75}", "{\"iou\": 0.0425, \"accuracy\": 0.25}",
      "{\"iou\": null, \"accuracy\": null}")
    let boundaries = byClass(
      "{\"f\": [0.25, 0.5], \"iou\": 0.375}", "{\"f\": [0, 0.0625], \"iou\": 0.03125}",
      "{\"f\": [null, null], \"iou\": null}")
    let images = worst.map { "{\"image\": \(json($0)), \"mean_class_iou\": 0.125}" }.joined(separator: ", ")
    return """
      {"split": "val", "images": 2, "images_per_second": 1.5, "loss": 1.875, "pixels": 1000, "pixel_accuracy": 0.625, \
      "mean_accuracy": 0.5, "mean_class_iou": 0.3125, "absent_classes": "left_out", "classes": {\(scores)}, \
      "confusion": [\(confusion)], "most_confused_classes": [{"truth": \(json(classes[1])), \
      "prediction": \(json(classes[0])), "pixels": 275, "share": 0.916}], \
      "boundary": {"thresholds": [0.00088, 0.005], "f_radius_min_max": [[3, 3], [12, 12]], \
      "iou_distance_min_max": [11, 11], "mean_f": [0.125, 0.25], "mean_iou": 0.1875, "classes": {\(boundaries)}}, \
      "worst_images": [\(images)], "classScores": {"road": 0.5, "car": NaN}}
      """
  }

  private static func json(_ text: String) -> String {
    (try? String(decoding: JSONEncoder().encode(text), as: UTF8.self)) ?? "\"\""
  }
}
