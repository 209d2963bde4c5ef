import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Figures of an evaluation")
  struct FiguresTests {
    let work: Workplace

    /// Four training and four validation images, and a model.
    init() throws { work = try .withModel() }

    private static func instanceIds(_ index: Int) -> String {
      Workplace.labelIds("val", index).replacingOccurrences(of: "labelIds", with: "instanceIds")
    }

    /// The lines of a file but that of the speed.
    private func lines(_ name: String) throws -> [Substring] {
      try work.text(name).split(separator: "\n").filter { !$0.contains("images_per_second") }
    }

    @Test("Two and three ranks print the table of one and write the bytes of its JSON, but for the speed")
    func ranks() throws {
      // 8-bit label ids are instance maps without instances; one image has an instance of a car.
      for index in 0..<4 { try work.copy(Workplace.labelIds("val", index), to: Self.instanceIds(index)) }
      try work.copy(Workplace.fixture("car_instance.png"), to: Self.instanceIds(1))
      let call = Workplace.evaluate + ["--boundary-thresholds", "0.02,3"]
      let alone = try work.gscnn(call + ["--json", "1.json"])
      #expect(alone.status == 0, "\(alone.errors)")
      #expect(alone.output.contains { $0.hasPrefix("boundary, %") && $0.hasSuffix("F 2 px   F 3 px  IoU 1 px") })
      #expect(alone.output.contains("class            IoU, %   acc, %  iIoU, %"))
      #expect(alone.output.count { $0.hasSuffix("_000019") } == 4, "all images, the worst first")
      for ranks in [2, 3] {
        let shared = try work.gscnn(call + ["--json", "\(ranks).json"], ranks: ranks)
        #expect(shared.status == 0, "\(shared.errors)")
        #expect(shared.output.dropLast() == alone.output.dropLast(), "\(ranks) ranks")
        #expect(try lines("\(ranks).json") == lines("1.json"), "\(ranks) ranks")
      }
      let text = try work.text("1.json")
      for key in ["confMatrix", "perImageScores", "averageScoreInstClasses", "worst_images", "boundary"] {
        #expect(text.contains("\n    \"\(key)\": "), "\(key)")
      }
      #expect(text.contains("\"car\": 0.") && text.contains("\"sky\": NaN"))
    }

    @Test("An instance map that is damaged or of another size is named, on any rank", arguments: [1, 2])
    func damaged(ranks: Int) throws {
      try work.copy(Workplace.fixture("car_instance.png"), to: Self.instanceIds(1))
      try work.truncate(Self.instanceIds(1))
      let job = try work.gscnn(Workplace.evaluate, ranks: ranks == 1 ? nil : ranks)
      #expect(job.status == 1)
      let line = try #require(job.errors.last)
      #expect(line.contains("\(Self.instanceIds(1)): is truncated; restore the file"), "\(job.errors)")
    }
  }
}
