import Foundation
import Testing

extension CommandLine {
  @Suite("Reports")
  struct ReportTests {
    /// What a page says but for the speed, the ranks and the command, which differ from call to call.
    private func figures(_ page: String) -> [Substring] {
      ["classes", "confusion", "images", "boundaries"].map { id in
        guard let start = page.range(of: "<section id=\"\(id)\""),
          let end = page[start.upperBound...].range(of: "</section>")
        else { return "" }
        return page[start.upperBound..<end.lowerBound]
      }
    }

    @Test(
      "The page of an evaluation holds the figures of --json and the worst images, the same for any number of ranks")
    func evaluation() throws {
      let work = try Workplace.withModel()
      let alone = try work.gscnn(Workplace.evaluate + ["--report", "one.html", "--json", "one.json"])
      try #require(alone.status == 0, "\(alone.errors)")
      let together = try work.gscnn(Workplace.evaluate + ["--report", "three.html"], ranks: 3)
      try #require(together.status == 0, "\(together.errors)")
      let page = try work.text("one.html")
      let sections = figures(page)
      #expect(sections == figures(try work.text("three.html")))
      #expect(sections.allSatisfy { !$0.isEmpty })
      // Four images, each with four maps.
      #expect(sections[2].ranges(of: "src=\"data:image/png;base64,").count == 16)
      let json = try work.text("one.json")
      for key in ["mean_class_iou", "pixel_accuracy", "mean_accuracy"] {
        let line = json.split(separator: "\n").last { $0.hasPrefix("    \"\(key)\"") }
        let value = try #require(line?.split(separator: " ").last?.replacing(",", with: ""))
        #expect(page.contains("<dd data-value=\"\(value)\">"), "\(key) \(value)")
      }
      let words = ["ranks", "-n", "3"].map { "<span class=\"word\">\($0)</span>" }
      #expect(try work.text("three.html").contains(words.joined(separator: " ")))
    }

    @Test("A training that has stopped after a step has a report; the page is named in the output")
    func run() throws {
      let work = try Workplace.withModel()
      let before = try work.contents()
      let job = try work.gscnn("report", "results")
      #expect(job.status == 0 && job.errors == [])
      #expect(job.output == ["results/resnet50_32_32_report.html"])
      let page = try work.text("results/resnet50_32_32_report.html")
      #expect(page.contains("No epoch is finished"))
      // The files of the run are as they were.
      for (name, data) in before { #expect(try work.contents()[name] == data, "\(name)") }
      let both = try work.gscnn("report", "results", "results/resnet50_32_32", "--output", "page.html")
      // The same run twice is one run.
      #expect(both.status == 0 && both.output == ["page.html"])
      #expect(try work.text("page.html") == page)
    }

    @Test("What cannot be reported, and where no page can be written, is refused")
    func refusals() throws {
      let work = try Workplace.withModel()
      try work.expectRefusal(
        ["report", "nothing"], status: 1, saying: "nothing: holds no files of a training",
        "give the folder of --save-path")
      try work.expectRefusal(
        ["report", "results", "--output", "results"], status: 2, saying: "--output results", "give another path")
      try work.expectRefusal(
        ["report", "results", "--output", "results/resnet50_32_32_steps.csv"], status: 2,
        saying: "--output results/resnet50_32_32_steps.csv", "this command reads that file")
      // Also those that the run has no need of now.
      for path in ["results/resnet50_32_32_ema_model.safetensors", "results/resnet50_32_32/checkpoints/page.html"] {
        try work.expectRefusal(
          ["report", "results", "--output", path], status: 2, saying: "--output \(path)", "give another")
      }
      // The training knows its data set.
      let image = "data/leftImg8bit/val/synthetica/synthetica_000000_000019_leftImg8bit.png"
      try work.expectRefusal(
        ["report", "results", "--output", image], status: 2, saying: "--output \(image)",
        "lies among the images and labels of the data set")
      try work.expectRefusal(
        Workplace.evaluate + ["--report", "missing/page.html"], status: 2, saying: "--report missing/page.html",
        "give another path")
      try work.expectRefusal(
        Workplace.evaluate + ["--report", "same", "--json", "same"], status: 2, saying: "--report same", "give another")
    }
  }
}
