import ArgumentParser
import Cityscapes
import Distributed
import Inference
import Metrics
import Reports
import System
import Tensors
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Prints the metrics of a model on a split, class by class; alone or under mpirun.",
    discussion: "The ranks share the images; the metrics do not depend on the number of ranks.")

  @OptionGroup var data: DataOptions
  @OptionGroup var classes: ClassesOptions
  @OptionGroup var maps: PreparedOptions
  @OptionGroup var weights: ModelOptions
  @OptionGroup var computation: PrecisionOptions

  @Option(help: .value("name", "Split of the data set."))
  var split = Split.val

  @OptionGroup var threads: ThreadOptions

  @OptionGroup var prediction: PredictionOptions
  @OptionGroup var exporting: ExportOptions

  @Option(
    help: .value(
      "file",
      "Write all figures there as JSON, as fractions from 0 to 1: those of cityscapesScripts under its names, and ours."
    ))
  var json: String?

  @Option(
    help: .value(
      "file", "Write an HTML page there that shows the figures, the confusion matrix and the worst images."))
  var report: String?

  @Option(
    parsing: .unconditional,
    help: .value(
      "numbers",
      "Distances of the boundary F-score, separated by commas: fractions of the image's diagonal below 1, or whole pixels (default: 0.00088,0.001875,0.00375,0.005, which are 3, 5, 9 and 12 pixels at 2048×1024)."
    ),
    transform: BoundaryThresholds.init(argument:))
  var boundaryThresholds = BoundaryThresholds()

  @Flag(
    help: "Count absent classes as 0 in the means, as the reference implementation does, instead of leaving them out.")
  var absentAsZero = false

  func run() throws {
    StopSignal.listen()
    let communicator = try Communicator.initialize()
    communicator.setAffinity()
    let workers = WorkerPool(threads: threads.count(for: communicator))
    let table = try classes.table(of: weights, communicator)
    let listed = try CityscapesDirectory(root: data.dataPath, files: table.files)
      .listOnAllRanks([split], communicator: communicator)[0]
    let predictions = exporting.destination.map { PredictionFolder($0, of: listed, table) }
    let named = predictions ?? PredictionFolder(".", of: listed, as: .labelIds(), table)
    // What cannot be written is noticed before the evaluation, which may take hours.
    if communicator.rank == 0 {
      let archive = exporting.destination?.archive
      let inputs = [weights.modelWeight, classes.classes].compactMap(\.self)
      let outputs = [
        ("--json", json), ("--report", report), ("--export", exporting.export), ("--export", archive),
      ]
      for (option, path) in outputs {
        try OutputPath.require(option, path, otherThan: inputs, dataPath: data.dataPath, table)
      }
      // A folder of all images and labels may be that of the predictions if no name is that of an input.
      if let predictions, !table.isCityscapes, let folder = exporting.destination?.folder {
        for index in listed.indices {
          let path = FileSystem.join(folder, predictions.fileName(index))
          try OutputPath.require("--export", path, otherThan: [], dataPath: data.dataPath, table)
        }
      }
      if let archive {
        try OutputPath.require("--json", json, otherThan: [archive], because: OutputPath.isWritten)
      }
      try OutputPath.require(
        "--report", report, otherThan: [archive, json].compactMap(\.self), because: OutputPath.isWritten)
      // The benchmark's script takes names of Cityscapes alone.
      if table.isCityscapes { try predictions?.requireOnePrediction(images: listed.map(\.name)) }
      try predictions?.create()
      try json.map(EvaluationReport.requireWritable)
      try report.map { try PageFile.requireWritable($0, option: "--report") }
    }
    let model = try ProgressLine.shared.during("loading weights") {
      try communicator.collectively {
        try ModelLoader.read(weights.modelWeight, table, precision: computation.precision)
      }
    }
    let options = prediction.options
    let needed = MemoryEstimate(
      evaluating: model.store.values.count * MemoryLayout<Float>.stride,
      largest: InferenceOptions.Extent(of: listed.map(\.image), communicator), options,
      classes: table.classes.count, precision: computation.precision)
    try needed.requireRoomOrWarn(communicator)
    let made = try Preprocessing.runOnAllRanks(
      listed, of: data.dataPath, prepared: maps.prepared, table: table, communicator: communicator,
      threads: workers.threads, cancelled: { StopSignal.received != nil })
    if made.hasLabeledPixels(split) == false, predictions == nil || json != nil || report != nil {
      throw InferenceError.nothingToMeasure(
        labels: table.isCityscapes ? "\(data.dataPath)/gtFine/\(split.rawValue)" : "\(data.dataPath), \(split.rawValue)"
      )
    }
    let details = made.hasLabeledPixels(split) == false ? nil : EvaluationDetails(boundaryThresholds, table)
    let share = stride(from: communicator.rank, to: listed.count, by: communicator.size).map { listed[$0] }
    try communicator.collectively {
      if details != nil { try ImageMeasurement.requireUsableInstances(of: share) }
    }
    let samples = listed.map { $0.prepared(in: made.folder) }
    let progress = ProgressLine.shared
    progress.begin("evaluating \(split.rawValue)", of: samples.count, unit: "images")
    Activity.enter(.validation)
    let consensus = Consensus(communicator)
    var (unwritten, firstFailure) = (0, nil as (any Error)?)
    let worst = report.map { _ in WorstPredictions() }
    let evaluation = try Evaluator(
      model, workers: workers, communicator: communicator, options: options
    ).evaluate(
      samples, from: Evaluation(of: split, table, details: details),
      writingTo: predictions, keeping: worst,
      writeFailed: { error in
        (unwritten, firstFailure) = (unwritten + 1, firstFailure ?? error)
      },
      shouldContinue: { evaluation in
        if options.isPlain, let image = evaluation.losses.firstIndex(where: { !$0.isFinite }) {
          throw InferenceError.notFinite(image: samples[image].image)
        }
        progress.update { $0.done = evaluation.images }
        if let status = consensus.stopStatus(StopSignal.received) { throw StopRequested(status: status) }
        return true
      })
    progress.end()
    let layout = communicator.layout(threads: workers.threads)
    if communicator.rank == 0 {
      // What cannot be written costs no figure; an archive that lacks images is not made.
      let archived = Result {
        if firstFailure == nil { try progress.during("writing the archive") { try predictions?.finish() } }
      }
      let figures = EvaluationReport(
        evaluation, of: named, at: exporting.export, precision: computation.precision,
        absentClasses: absentAsZero ? .zero : .leftOut)
      print(figures.table)
      let written = Result { if let json { try figures.write(to: json) } }
      let shown = Result {
        guard let report, let worst else { return }
        let page = try EvaluationPage(
          EvaluationFigures(figures.json), table,
          images: WorstImage.list(evaluation, listed, named.names, worst), model: weights.modelWeight,
          options: settings, command: ["gscnn"] + Arguments.ofProcess.words, ranks: communicator.size,
          layout: ([layout.description] + layout.hosts).joined(separator: "\n  "))
        try PageFile.write(page.text, to: report, option: "--report")
      }
      if let firstFailure {
        throw InferenceError.missingPredictions(unwritten, of: samples.count, reason: "\(firstFailure)")
      }
      try archived.get()
      try written.get()
      try shown.get()
    }
    communicator.finalize()
  }
}

extension Evaluate {
  /// The options that decide what is measured, with their values.
  private var settings: [(option: String, value: String)] {
    let options = prediction.options
    var settings = [
      ("--data-path", data.dataPath), ("--model-weight", weights.modelWeight), ("--split", split.rawValue),
      ("--scales", options.scales.map { "\($0)".withoutZeroFraction }.joined(separator: ",")),
      ("--flip", options.flip ? "yes" : "no"),
      ("--window", options.window.map { "\($0.width)x\($0.height), overlap \(options.overlap)" } ?? "the whole image"),
      (
        "--boundary-thresholds",
        boundaryThresholds.fScore.map { "\($0)".withoutZeroFraction }.joined(separator: ",")
      ),
      ("--absent-as-zero", absentAsZero ? "yes" : "no"), ("--precision", computation.precision.rawValue),
    ]
    if let file = classes.classes { settings.append(("--classes", file)) }
    if let folder = maps.prepared { settings.append(("--prepared", folder)) }
    return settings
  }
}

extension BoundaryThresholds {
  /// Parses text like 0.00088,0.005 or 3,12.
  fileprivate init(argument text: String) throws {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let values = words.compactMap { Double($0) }
    guard values.count == words.count, values.count <= 8,
      values.allSatisfy({ $0 > 0 && $0 <= 100 && ($0 < 1 || $0 == $0.rounded()) })
    else {
      throw ValidationError(
        "give up to 8 fractions below 1 or whole pixels up to 100, for example 0.00088,0.005 or 3,12")
    }
    self.init(fScore: values)
  }
}
