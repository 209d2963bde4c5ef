import Foundation
import Jobs
import System
import TensorBoard
import Testing

private let python = Python(with: "tensorboard")

/// What TensorBoard itself reads.
@Suite("TensorBoard reads event files", .enabled(if: python.isAvailable, "\(python.need)"))
struct ReaderTests {

  private func read(_ how: String, _ path: String) throws -> Data {
    let job = try python.run("tensorboard_reads.py", [how, path])
    try #require(job.status == 0, "\(job.errors)")
    return Data(job.output.joined().utf8)
  }

  /// A parsed message, list or number.
  private func object(_ data: Data) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static let layout = ScalarLayout([
    .init("Classes", [.init("all", tags: ["iou/.*"])]), .init("Steps", [.init("losses", tags: ["loss/a", "loss/b"])]),
  ])
  private static let hyperparameters = Hyperparameters(
    columns: [
      .init("backbone", isNumber: false, choices: ["resnet50", "resnet101"]), .init("ema-decay", isNumber: true),
      .init("learning-rate", isNumber: true, isFirst: true),
    ],
    values: ["learning-rate": "0.01", "backbone": "resnet50"],
    metrics: [.init(tag: "iou/road", title: "IoU of roads")])
  /// One black pixel.
  private static let png: [UInt8] = {
    let base64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    return [UInt8](Data(base64Encoded: base64) ?? Data())
  }()

  /// Every kind of value at steps 1 to 3, by two processes.
  private func writeEverything(to folder: String) throws {
    for (time, steps) in [(100.0, 1...2), (200.0, 3...3)] {
      let file = EventFile(in: folder, firstStep: steps.lowerBound, time: time)
      if steps.contains(1) {
        file.add(Event(wallTime: time, step: 0, .summary([Self.layout.value] + Self.hyperparameters.start(at: 100))))
      }
      for step in steps {
        let numbers = (0..<10 * step).map { Float($0) }
        let histogram = numbers.withUnsafeBufferPointer { Histogram(of: $0, buckets: 5) }
        file.add(
          Event(
            wallTime: time, step: step,
            .summary([
              .scalar("iou/road", Double(step) / 4), .scalar("loss/a", .infinity),
              .image("pictures/one", png: Self.png, height: 1, width: 1, channels: 1),
              .histogram("weights/x", histogram),
              .text("run/notes", "*step* \(step) – ü"),
            ])))
      }
      if steps.contains(3) {
        file.add(Event(wallTime: 300, step: 3, .summary([Hyperparameters.end(.success, at: 300)])))
      }
      try file.flush()
    }
  }

  @Test("Its Python loader reads every kind of value, of both files")
  func loader() throws {
    let folder = try TestFolder()
    try writeEverything(to: folder.place("val"))
    let runs = try object(read("loader", folder.path))
    let tags = try #require(runs["val"] as? [String: [String: Any]])
    for tag in ["iou/road", "loss/a", "pictures/one", "weights/x", "run/notes"] {
      #expect(tags[tag]?["steps"] as? [Int] == [1, 2, 3], "\(tag)")
    }
    #expect(tags["iou/road"]?["values"] as? [Double] == [0.25, 0.5, 0.75])
    #expect(tags["pictures/one"]?["values"] as? [[Int]] == [[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    let histograms = try #require(tags["weights/x"]?["values"] as? [[[Double]]])
    #expect(histograms[0].map { $0[2] } == [2, 2, 2, 2, 2])
    #expect(histograms[2].first?[0] == 0 && histograms[2].last?[1] == 29)
    #expect((tags["run/notes"]?["values"] as? [String])?.last == "*step* 3 – ü")
    let layout = try #require((tags[ScalarLayout.tag]?["values"] as? [[String: Any]])?.first)
    let categories = try #require(layout["category"] as? [[String: Any]])
    #expect(categories.map { $0["title"] as? String } == ["Classes", "Steps"])
    let charts = try #require(categories[1]["chart"] as? [[String: Any]])
    #expect((charts[0]["multiline"] as? [String: Any])?["tag"] as? [String] == ["loss/a", "loss/b"])
    let start = try #require((tags["_hparams_/session_start_info"]?["values"] as? [[String: Any]])?.first)
    let session = try #require(start["sessionStartInfo"] as? [String: Any])
    let values = try #require(session["hparams"] as? [String: Any])
    #expect(values["learning-rate"] as? Double == 0.01 && values["backbone"] as? String == "resnet50")
    #expect(tags["_hparams_/session_end_info"] != nil)
  }

  @Test("Its server with the Rust loader answers with every kind of value, the layout and the table of options")
  func server() throws {
    let folder = try TestFolder()
    try writeEverything(to: folder.place("val"))
    let runs = try object(read("server", folder.path))
    let tags = try #require(runs["val"] as? [String: [String: Any]])
    for tag in ["iou/road", "loss/a", "pictures/one", "weights/x", "run/notes"] {
      #expect(tags[tag]?["steps"] as? [Int] == [1, 2, 3], "\(tag)")
    }
    #expect(tags["iou/road"]?["values"] as? [Double] == [0.25, 0.5, 0.75])
    #expect((tags["run/notes"]?["values"] as? [String])?.first == "<p><em>step</em> 1 – ü</p>")
    let categories = (runs["(layout)"] as? [String: Any])?["category"] as? [[String: Any]]
    #expect(categories?.count == 2)
    let table = try #require(runs["(hparams)"] as? [String: [String: Any]])
    let groups = try #require(table["sessions"]?["sessionGroups"] as? [[String: Any]])
    try #require(groups.count == 1)
    #expect(groups[0]["name"] as? String == "val")
    let values = try #require(groups[0]["hparams"] as? [String: Any])
    #expect(values["learning-rate"] as? Double == 0.01 && values["backbone"] as? String == "resnet50")
    #expect(values["ema-decay"] as? String ?? "" == "")
    let columns = try #require(table["experiment"]?["hparamInfos"] as? [[String: Any]])
    #expect(columns.map { $0["name"] as? String } == ["learning-rate", "backbone", "ema-decay"])
    #expect(columns.map { $0["domainDiscrete"] as? [String] } == [nil, ["resnet50", "resnet101"], nil])
    let metrics = try #require(groups[0]["metricValues"] as? [[String: Any]])
    #expect(metrics.first?["value"] as? Double == 0.75)
    let sessions = try #require(groups[0]["sessions"] as? [[String: Any]])
    #expect(sessions.first?["status"] as? String == "STATUS_SUCCESS")
  }

  @Test("Of a file that ends at any byte it reads the whole records")
  func truncated() throws {
    let folder = try TestFolder()
    let file = EventFile(in: folder.path, firstStep: 1, time: 1)
    for step in 1...3 {
      file.add(Event(wallTime: 1, step: step, .summary([.scalar("a/b", 0.5), .text("t", "xyz")])))
    }
    try file.flush()
    let counts = try #require(try JSONSerialization.jsonObject(with: read("truncated", file.path)) as? [Int])
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file.path)))
    let ends = bytes.withUnsafeBytes { EventRecords($0).map(\.range.upperBound) }
    #expect(ends.count == 5 && counts.count == bytes.count + 1)
    #expect(counts == (0...bytes.count).map { count in ends.count { $0 <= count } })
  }
}
