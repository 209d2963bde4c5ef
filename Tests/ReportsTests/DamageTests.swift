import Foundation
import Reports
import Testing
import Training

@Suite("Reports of damaged runs")
struct DamageTests {
  @Test("Each missing file costs its own figures, and a sentence says which file and how to get it")
  func missing() throws {
    let sections = [
      "_statistics.csv": "curves", "_steps.csv": "time", "_classes.csv": "classes", "_run.json": "ranks",
      "_options.yaml": "options", "_validation.json": "confusion",
    ]
    for (ending, section) in sections {
      let run = try RunFiles()
      try run.remove(ending)
      let sentences = try run.page().missing(section)
      #expect(
        sentences.contains { $0.contains("\(run.prefix)\(ending) does not exist") && $0.hasSuffix(".") },
        "\(ending): \(sentences)")
    }
  }

  @Test("A file that is cut anywhere still makes a page", arguments: RunFiles.endings)
  func cut(ending: String) throws {
    let run = try RunFiles()
    let whole = try Data(contentsOf: run.url(ending))
    for count in stride(from: 0, to: whole.count, by: max(1, whole.count / 60)) {
      try whole.prefix(count).write(to: run.url(ending))
      _ = try run.page()
    }
  }

  @Test("A file of other bytes still makes a page", arguments: RunFiles.endings)
  func garbage(ending: String) throws {
    let run = try RunFiles()
    var bytes = try [UInt8](Data(contentsOf: run.url(ending)))
    for index in stride(from: 3, to: bytes.count, by: 7) { bytes[index] = UInt8(truncatingIfNeeded: index &* 151) }
    try Data(bytes).write(to: run.url(ending))
    _ = try run.page()
  }

  @Test("A byte that is not UTF-8 costs the figures of that file alone")
  func notText() throws {
    let run = try RunFiles()
    let text = try Data(contentsOf: run.url("_validation.json"))
    let quote = try #require(text.lastIndex(of: UInt8(ascii: "\"")))
    try (text[..<quote] + [0xE3] + text[quote...].dropFirst()).write(to: run.url("_validation.json"))
    #expect(try run.page().missing("confusion").contains { $0.contains("_validation.json is damaged") })
  }

  @Test("Epochs and distances that no training has still make a page")
  func numbers() throws {
    let run = try RunFiles()
    let text = try run.text("_statistics.csv")
    try run.write(
      text.replacing("val_boundary_F_0.00088", with: "val_boundary_F_nan")
        .replacing("val_boundary_F_0.005", with: "val_boundary_F_1e30")
        .replacing("\n3,", with: "\n9223372036854775807,"), to: "_statistics.csv")
    let page = try run.page()
    #expect(try page.chart("Class mIoU").figures.map(\.heading) == ["1", "2"])
    #expect(try page.missing("summary") == ["1 line of \(run.prefix)_statistics.csv is damaged and left out."])
  }

  @Test("Losses that are all not finite are said to be so")
  func notFinite() throws {
    let run = try RunFiles()
    try run.write("epoch,step,loss,semantic\n1,1,nan,inf\n1,2,nan,inf\n", to: "_steps.csv")
    let chart = try run.page().chart("Parts of the loss")
    #expect(
      chart.all("p", class: "missing").map(\.text)
        == ["There is no finite value. 4 values are not finite and left out."])
  }

  @Test("The unfinished last line of a running training is left out, and the page says so")
  func torn() throws {
    let run = try RunFiles()
    try run.write(run.text("_steps.csv") + "3,5,4.5", to: "_steps.csv")
    let page = try run.page()
    #expect(try page.chart("Parts of the loss").figures.count == 12)
    #expect(try page.missing("summary") == ["The last line of \(run.prefix)_steps.csv is unfinished and left out."])
    try run.write(run.text("_steps.csv") + "\n", to: "_steps.csv")
    #expect(try run.page().missing("summary") == ["1 line of \(run.prefix)_steps.csv is damaged and left out."])
  }

  @Test("Values that are not finite have no point, and are counted")
  func nonFinite() throws {
    let run = try RunFiles()
    let steps = try run.text("_steps.csv")
    #expect(steps.contains("\n3,2,7.75,6.25,"))
    try run.write(steps.replacing("\n3,2,7.75,6.25,", with: "\n3,2,nan,inf,"), to: "_steps.csv")
    let chart = try run.page().chart("Parts of the loss")
    let step = try #require(chart.all("tbody")[0].elements.first { $0.elements[0].attributes["data-value"] == "2.5" })
    #expect(step.elements.dropFirst().map { $0.attributes["data-value"] } == [nil, nil, "1", "0.5"])
    #expect(chart.all("p", class: "note").map(\.text) == ["2 values are not finite and left out."])
  }

  @Test("A run of an earlier version, without the newer columns and files, has its curves")
  func earlier() throws {
    let run = try RunFiles()
    for ending in ["_classes.csv", "_run.json", "_validation.json"] { try run.remove(ending) }
    let steps = try run.text("_steps.csv").split(separator: "\n").map { line in
      line.split(separator: ",").prefix(9).joined(separator: ",")
    }
    try run.write(steps.joined(separator: "\n") + "\n", to: "_steps.csv")
    let page = try run.page()
    #expect(try page.chart("Class mIoU").figures.count == 3)
    #expect(try page.chart("Speed").figures.count == 12)
    #expect(try page.missing("time").contains { $0.contains("does not say where the time went") })
    #expect(
      try page.missing("boundaries").contains {
        $0.contains("gscnn evaluate --report") || $0.contains("earlier versions")
      })
  }

  @Test("Figures of other classes than the run's are refused")
  func otherClasses() throws {
    let run = try RunFiles()
    try run.write(RunFiles.validation(classes: ["a", "b", "c"]), to: "_validation.json")
    #expect(try run.page().missing("confusion").contains { $0.contains("figures of other classes") })
  }

  @Test("A data set that was moved costs the images alone")
  func movedData() throws {
    let page = try RunFiles().page(dataPath: "/nowhere/else")
    let sentences = try page.missing("images")
    #expect(sentences.contains { $0.contains("/nowhere/else") && $0.contains("--data-path") })
    #expect(try page.section("images").text.contains("town_000000_000019"))
  }

  @Test("Names with the characters of HTML and of a shell stay names")
  func escaping() throws {
    let names = ["<script>alert(1)</script>", "a\"b'c&amp;", "\u{1}\u{FFFF}—漢字"]
    let run = try RunFiles("a b'$(touch x)\"<i>")
    try run.write(RunFiles.description(classes: names), to: "_run.json")
    try run.write(RunFiles.validation(classes: names, worst: ["</main><b>"]), to: "_validation.json")
    let header = names.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",")
    try run.write("epoch,split,\(header)\n2,val,50.0000,25.0000,\n", to: "_classes.csv")
    try run.write("save-path: \"x\\\"></code><script>\"\nbatch-size: 4\n", to: "_options.yaml")
    let page = try run.page()
    #expect(page.root.all("script").count == 1)
    let rows = try #require(page.section("classes").all("table").first).figures
    #expect(rows.map(\.heading) == [names[0], names[1], "\u{FFFD}\u{FFFD}—漢字"])
    #expect(rows.map(\.values.first) == [0.5, 0.25, .some(nil)])
    #expect(try page.section("options").all("td").map(\.text).contains("x\"></code><script>"))
    #expect(try page.section("images").text.contains("</main><b>"))
    #expect(try page.section("reproduce").text.contains("'\(run.prefix.replacing("'", with: "'\\''"))_options.yaml'"))
  }
}
