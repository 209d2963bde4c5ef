import Foundation
import Reports
import Testing
import Training

@Suite("Reports of several runs")
struct ComparisonTests {
  private func page(_ runs: [RunFiles]) throws -> ParsedPage {
    try ParsedPage(ComparisonReport(runs.map { RunRecord($0.prefix) }).text)
  }

  @Test("Curves of the runs lie over each other, with the figures of each")
  func curves() throws {
    let runs = [try RunFiles("one"), try RunFiles("two", seed: 5)]
    let page = try page(runs)
    for (title, column) in [("Class mIoU", "val_class_mIOU"), ("Training loss", "train_loss")] {
      let chart = try page.chart(title)
      #expect(chart.columns == ["epoch", "one", "two"])
      for (index, run) in runs.enumerated() {
        #expect(chart.figures.map { $0.values[index] } == (try run.column(column, of: "_statistics.csv")))
      }
    }
  }

  @Test("The table of figures has a line for each run, that of options only those that differ")
  func tables() throws {
    let page = try page([RunFiles("one"), RunFiles("two", seed: 5)])
    let rows = try #require(page.section("summary").all("table").first).figures
    #expect(rows.map(\.heading) == ["one", "two"])
    #expect(rows.map { Array($0.values.prefix(4)) } == [[0.3125, 0.48, 0.585, 0.245], [0.3125, 0.48, 0.585, 0.245]])
    let options = try page.section("options").all("tbody")[0].elements.map { $0.elements.map(\.text) }
    #expect(options == [["--learning-rate", "0.01", "0.06"]])
  }

  @Test("A run that lacks files stands beside one that has them")
  func missing() throws {
    let (whole, bare) = (try RunFiles("whole"), try RunFiles("bare"))
    for ending in RunFiles.endings where ending != "_options.yaml" { try bare.remove(ending) }
    let page = try page([bare, whole])
    #expect(try page.chart("Class mIoU").columns == ["epoch", "whole"])
    // The colors are those of the runs, not of the lines.
    #expect(try page.chart("Class mIoU").all("path", class: "line").allSatisfy { $0.hasClass("s2") })
    #expect(try page.missing("classes").contains { $0.hasPrefix("bare has no figures by class") })
  }

  @Test("Runs of one name in folders of one name are told apart by their paths")
  func names() throws {
    let runs = [try RunFiles("same"), try RunFiles("same")]
    #expect(try page(runs).chart("Class mIoU").columns == ["epoch"] + runs.map(\.prefix))
  }

  @Test("A run is found by its folder, by what its files begin with, by its own folder and by a file")
  func search() throws {
    let run = try RunFiles()
    try FileManager.default.createDirectory(atPath: run.prefix + "/val", withIntermediateDirectories: true)
    for path in [run.folder, run.folder + "/", run.prefix, run.prefix + "/", run.prefix + "_steps.csv"] {
      #expect(try RunPaths.prefixes(at: path) == [run.prefix], "\(path)")
    }
    try FileManager.default.copyItem(atPath: run.prefix + "_steps.csv", toPath: run.folder + "/resnet101_8_8_steps.csv")
    #expect(try RunPaths.prefixes(at: run.folder) == [run.folder + "/resnet101_8_8", run.prefix])
    for path in ["/nowhere", run.folder + "/resnet", run.prefix + "/val"] {
      let error = #expect(throws: NoRun.self) { try RunPaths.prefixes(at: path) }
      #expect(
        error?.description.hasPrefix("\(path): holds no files of a training (looked for *_statistics.csv, ") ?? false)
    }
  }
}
