import ArgumentParser
import Foundation
import Reports
import System
import Training

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes what the files of a training say as one HTML page: curves, classes, worst images, time, options.",
    discussion: """
      The page needs no network and no other file. A training that is still running can be reported. Several trainings \
      are compared side by side.
      """)

  @Argument(
    help: .value(
      "results",
      "Folder of --save-path, of which all trainings are taken, or what the names of one training's files begin with, for example results/resnet50_512_512."
    ))
  var results: [String]

  @Option(
    help: .value(
      "file",
      "File to write (default: the training's files' beginning and _report.html; of several, report.html in the folder of the first)."
    ))
  var output: String?

  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value("folder", "Data set of the worst images (default: where the training had it)."))
  var dataPath: String?

  func run() throws {
    try onRankZero {
      var prefixes: [String] = []
      for path in results {
        for prefix in try RunPaths.prefixes(at: path)
        where !prefixes.contains(where: { FileSystem.target($0) == FileSystem.target(prefix) }) {
          prefixes.append(prefix)
        }
      }
      let path =
        output
        ?? (prefixes.count == 1
          ? prefixes[0] + "_report.html" : FileSystem.join(FileSystem.parent(of: prefixes[0]), "report.html"))
      guard prefixes.count == 1 || dataPath == nil else {
        throw OptionError("--data-path", dataPath ?? "", "a comparison of trainings shows no images; leave it out")
      }
      let records = prefixes.map(RunRecord.init)
      for record in records {
        try OutputPath.require(
          "--output", path, otherThan: RunPaths(prefix: record.prefix).files, dataPath: dataPath ?? record.dataPath,
          record.table)
        // Checkpoints, predictions and event files.
        if (FileSystem.target(path) + "/").hasPrefix(FileSystem.canonical(record.prefix) + "/") {
          throw OptionError("--output", path, "lies in the folder of the training's own files; give another")
        }
      }
      try PageFile.requireWritable(path, option: "--output")
      let text =
        records.count == 1
        ? RunReport(records[0], dataPath: dataPath).text : ComparisonReport(records, output: output).text
      try PageFile.write(text, to: path, option: "--output")
      print(path)
    }
  }
}
