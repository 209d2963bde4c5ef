import Foundation
import Reports
import Testing
import Training

@Suite("The report of a run")
struct RunReportTests {
  @Test("The tables of the curves hold the figures of the statistics, epoch by epoch")
  func statistics() throws {
    let run = try RunFiles()
    let page = try run.page()
    let charts = [
      ("Class mIoU", ["train_class_mIOU", "val_class_mIOU", "ema_val_class_mIOU"]),
      ("Loss", ["train_loss", "val_loss", "ema_val_loss"]),
      ("Boundary F-score", ["val_boundary_F_0.00088", "val_boundary_F_0.005"]),
    ]
    for (title, columns) in charts {
      let rows = try page.chart(title).figures
      #expect(rows.map(\.heading) == ["1", "2", "3"])
      for (index, column) in columns.enumerated() {
        #expect(rows.map { $0.values[index] } == (try run.column(column, of: "_statistics.csv")), "\(column)")
      }
    }
  }

  @Test("The tables of the curves hold the figures of the steps, at the part of the training that is done")
  func steps() throws {
    let run = try RunFiles()
    let page = try run.page()
    let charts = [
      ("Parts of the loss", ["loss", "semantic", "edge", "task"]), ("Learning rate", ["learning_rate"]),
      ("Gradient norm", ["gradient_norm"]), ("Speed", ["images_per_second"]),
      (
        "Seconds of a step by part",
        ["loading_seconds", "forward_seconds", "backward_seconds", "communication_seconds", "update_seconds"]
      ),
    ]
    for (title, columns) in charts {
      let chart = try page.chart(title)
      let rows = chart.figures
      #expect(chart.all("tbody")[0].elements.map { $0.elements[0].attributes["data-value"] }.first == "0.25")
      #expect(rows.count == 12)
      for (index, column) in columns.enumerated() {
        #expect(rows.map { $0.values[index] } == (try run.column(column, of: "_steps.csv")), "\(column)")
      }
    }
  }

  @Test("A long training's points are the means of consecutive steps, and its band reaches to their extremes")
  func manySteps() throws {
    let run = try RunFiles()
    try run.write(RunFiles.steps(count: 10, perEpoch: 100), to: "_steps.csv")
    let losses = try run.column("loss", of: "_steps.csv").compactMap(\.self)
    let chart = try run.page().chart("Parts of the loss")
    let rows = chart.all("tbody")[0].elements
    // 1000 values in at most 240 points.
    #expect(rows.count == 200)
    for (index, row) in rows.enumerated() {
      let bucket = losses[5 * index..<5 * index + 5]
      let mean = try #require(row.elements[1].attributes["data-value"].flatMap(Double.init))
      #expect(abs(mean - bucket.reduce(0, +) / 5) < 1e-12)
      let range = try #require(
        row.elements[1].all("small").first?.text.matches(of: /[0-9.]+/).compactMap { Double($0.0) })
      #expect(range == [bucket.min(), bucket.max()])
    }
    #expect(chart.all("p", class: "note").map(\.text).contains { $0.contains("mean of 5 steps") })
    #expect(!chart.all("path", class: "band").isEmpty)
  }

  @Test("The summary and the classes are those of the best epoch, the marks those of the best one before")
  func best() throws {
    let run = try RunFiles()
    let page = try run.page()
    let tiles = try page.section("summary").all("dd").compactMap { $0.attributes["data-value"].flatMap(Double.init) }
    #expect(tiles == [0.3125, 0.48, 0.585, 0.245, 0.3175, 3, 61.25 + 60.5 + 60.25, (2.5 + 2.75 + 2.75) / 3])
    let table = try #require(page.section("classes").all("table").first)
    #expect(table.columns == ["class", "epoch 2", "epoch 1", "change, points"])
    let rows = table.figures
    #expect(rows.map(\.heading) == RunFiles.classes)
    #expect(rows.map { Array($0.values.prefix(2)) } == [[0.5825, 0.485], [0.0425, 0.085], [nil, nil]])
    #expect(table.all("tbody")[0].elements.map { $0.elements[4].text } == ["+9.75", "−4.25", "–"])
    // The mark of a class that was not there is left out, and so is its bar.
    #expect(table.all("tbody")[0].elements.map { $0.all("rect").count } == [1, 1, 0])
  }

  @Test("Each class with figures has a chart of its IoU by epoch, all on the same axes")
  func classCurves() throws {
    let page = try RunFiles().page()
    let charts = try page.section("classes").all("figure", class: "chart")
    #expect(charts.map { $0.all("span", class: "title").first?.text } == ["road", "sky"])
    #expect(charts.map { $0.figures.map { $0.values[0] } } == [[48.5, 58.25, 60], [8.5, 4.25, 1]])
    for chart in charts {
      #expect(chart.all("span", class: "y").map(\.text) == ["0", "25", "50", "75", "100"])
      #expect(chart.all("span", class: "swatch").count == 1)
    }
  }

  @Test("By --save-best loss the best epoch is that with the lowest loss")
  func bestLoss() throws {
    let run = try RunFiles()
    try run.write(
      run.text("_options.yaml").replacing("save-best: class-miou", with: "save-best: loss"), to: "_options.yaml")
    let table = try #require(try run.page().section("classes").all("table").first)
    #expect(table.columns == ["class", "epoch 3", "epoch 2", "change, points"])
  }

  @Test("The figure of the average of weights is that of its best epoch, by --save-best")
  func bestAverage() throws {
    let run = try RunFiles()
    try run.write(run.text("_statistics.csv").replacing("1.9,57", with: "1.6,57"), to: "_statistics.csv")
    func average() throws -> Double? {
      let tiles = try run.page().section("summary").all("div")
      return tiles.first { $0.all("dt").first?.text == "Class mIoU, average of weights" }?
        .all("dd").first?.attributes["data-value"].flatMap(Double.init)
    }
    #expect(try average() == 0.3175)
    try run.write(
      run.text("_options.yaml").replacing("save-best: class-miou", with: "save-best: loss"), to: "_options.yaml")
    #expect(try average() == 0.305)
  }

  @Test("If no validation had a finite loss, no model is the best, and the page says why")
  func notFinite() throws {
    let run = try RunFiles()
    var text = try run.text("_statistics.csv")
    for (loss, other) in [("2.75", "nan"), ("1.875", "-nan"), ("1.75", "inf")] {
      text = text.replacing(",\(loss),", with: ",\(other),")
    }
    try run.write(text, to: "_statistics.csv")
    let page = try run.page()
    let sentence = "No model is the best: the loss of the validation was not a finite number."
    #expect(try page.section("summary").all("p", class: "missing").map(\.text) == [sentence])
    #expect(try page.section("classes").all("p", class: "missing").map(\.text) == [sentence])
    #expect(try page.section("classes").all("figure", class: "chart").count == 2)
  }

  @Test("Confusion matrix and boundary figures are those of the validation")
  func validation() throws {
    let page = try RunFiles().page()
    let matrices = try page.section("confusion").all("table", class: "matrix")
    #expect(matrices.count == 2)
    for matrix in matrices {
      #expect(matrix.columns == RunFiles.classes)
      #expect(matrix.figures.map(\.heading) == RunFiles.classes)
      #expect(matrix.figures.map(\.values) == [[600, 100, 0], [275, 25, 0], [0, 0, 0]])
    }
    #expect(matrices[0].all("tbody")[0].elements[1].elements.map(\.text) == ["sky", "91.7", "8.3", ""])
    let boundaries = try #require(page.section("boundaries").all("table").first)
    #expect(boundaries.columns == ["class", "F 12 px", "F 3 px", "IoU 11 px"])
    #expect(
      boundaries.figures.map(\.values)
        == [[0.5, 0.25, 0.375], [0.0625, 0, 0.03125], [nil, nil, nil], [0.25, 0.125, 0.1875]])
  }

  @Test("The parts of a step add up to it")
  func time() throws {
    let page = try RunFiles().page()
    let rows = try #require(page.section("time").all("table", class: "numbers").first).figures
    #expect(rows.map(\.heading) == ["loading", "forward", "backward", "communication", "update", "other"])
    // 4 images at 2 images a second take 2 s.
    #expect(rows.map { $0.values[0] } == [0.125, 0.5, 1, 0.25, 0.0625, 0.0625])
    #expect(rows.compactMap { $0.values[1] }.reduce(0, +) == 1)
  }

  @Test("Options that differ from the default are marked, and the commands can be copied to a shell")
  func options() throws {
    let page = try RunFiles().page()
    let rows = try page.section("options").all("tbody")[0].elements
    let changed = rows.filter { $0.hasClass("changed") }.map { $0.elements[0].text }
    #expect(changed == ["--data-path", "--epochs"])
    let commands = try page.section("reproduce").all("code").map(\.text)
    #expect(commands.contains("gscnn train --data-path 'my data'"))
    #expect(commands.contains { $0.hasPrefix("ranks -n 2 gscnn train --config ") })
  }

  @Test("A training of one epoch, and one before its first epoch, have a report")
  func short() throws {
    let run = try RunFiles()
    let lines = try run.text("_statistics.csv").split(separator: "\n")
    try run.write(lines.prefix(2).joined(separator: "\n") + "\n", to: "_statistics.csv")
    let page = try run.page()
    #expect(try page.chart("Class mIoU").figures.map(\.heading) == ["1"])
    #expect(try #require(page.section("classes").all("table").first).columns == ["class", "epoch 1"])
    try run.remove("_statistics.csv")
    try run.remove("_classes.csv")
    let young = try run.page()
    #expect(
      try young.missing("summary") == ["No epoch is finished: figures of the validation follow with the first one."])
    #expect(try young.chart("Parts of the loss").figures.count == 12)
  }

  @Test("Equal files make equal pages")
  func reproducible() throws {
    let run = try RunFiles()
    #expect(
      RunReport(RunRecord(run.prefix), dataPath: nil).text == RunReport(RunRecord(run.prefix), dataPath: nil).text)
  }

  @Test("The page loads nothing: no address but those in it")
  func selfContained() throws {
    let page = try RunFiles().page()
    for element in page.root.descendants {
      for key in ["src", "href", "srcset", "action", "data"] {
        guard let value = element.attributes[key] else { continue }
        #expect(value.hasPrefix("#") || value.hasPrefix("data:image/png;base64,"), "\(element.name) \(key)")
      }
    }
    #expect(!page.root.all("style")[0].text.contains("url("))
    let policy = page.root.all("meta").first { $0.attributes["http-equiv"] == "Content-Security-Policy" }
    #expect(policy?.attributes["content"]?.hasPrefix("default-src 'none';") ?? false)
  }
}
