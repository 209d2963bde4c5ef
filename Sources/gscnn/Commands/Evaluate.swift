import ArgumentParser
import Cityscapes
import Distributed
import Inference
import System
import Tensors
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Prints the metrics of a model on a split, class by class; alone or under mpirun.",
    discussion: "The ranks share the images; the metrics do not depend on the number of ranks.")

  @OptionGroup var data: DataOptions
  @OptionGroup var maps: PreparedOptions
  @OptionGroup var weights: ModelOptions

  @Option(help: .value("name", "Split of the data set."))
  var split = Split.val

  @OptionGroup var threads: ThreadOptions

  @Option(
    help: .value(
      "folder",
      "Write the predictions there as NAME_prediction.png, label ids, ready for the benchmark server; on rank 0's host."
    ))
  var export: String?

  @Option(help: .value("file", "Write the metrics there as JSON, as fractions from 0 to 1."))
  var json: String?

  @Flag(
    help: "Count absent classes as 0 in the means, as the reference implementation does, instead of leaving them out.")
  var absentAsZero = false

  func run() throws {
    StopSignal.listen()
    let communicator = try Communicator.initialize()
    communicator.setAffinity()
    let workers = WorkerPool(threads: threads.count(for: communicator))
    let listed = try CityscapesDirectory(root: data.dataPath).listOnAllRanks([split], communicator: communicator)[0]
    let predictions = export.map { PredictionFolder($0, of: listed, as: .labelIds()) }
    // What cannot be written is noticed before the evaluation, which may take hours.
    if communicator.rank == 0 {
      for (option, path) in [("--json", json), ("--export", export)] {
        try OutputPath.require(option, path, otherThan: [weights.modelWeight], dataPath: data.dataPath)
      }
      try predictions?.create()
      try json.map(EvaluationReport.requireWritable)
    }
    let model = try communicator.collectively { try ModelLoader.read(weights.modelWeight) }
    let needed = MemoryEstimate(
      evaluating: model.store.values.count * MemoryLayout<Float>.stride,
      pixels: SharedMemorySlots.maximumPixels(listed, communicator))
    for warning in try needed.requireRoom(communicator: communicator) where communicator.rank == 0 {
      StandardError.write("gscnn: \(warning)\n")
    }
    let made = try Preprocessing.runOnAllRanks(
      listed, of: data.dataPath, prepared: maps.prepared, communicator: communicator, threads: workers.threads,
      cancelled: { StopSignal.received != nil })
    if made.hasLabeledPixels(split) == false, export == nil || json != nil {
      throw InferenceError.nothingToMeasure(labels: "\(data.dataPath)/gtFine/\(split.rawValue)")
    }
    let samples = listed.map { $0.prepared(in: made.folder) }
    let showsProgress = communicator.rank == 0 && StandardError.isTerminal
    Activity.enter(.validation)
    let consensus = Consensus(communicator)
    var (unwritten, firstFailure) = (0, nil as (any Error)?)
    let evaluation = try Evaluator(model, workers: workers, communicator: communicator).evaluate(
      samples, from: Evaluation(of: split),
      writingTo: predictions,
      writeFailed: { error in
        (unwritten, firstFailure) = (unwritten + 1, firstFailure ?? error)
      },
      shouldContinue: { evaluation in
        if showsProgress {
          StandardError.write("\(StandardError.clearLine)  \(split.rawValue) \(evaluation.images)/\(samples.count)")
        }
        if let status = consensus.stopStatus(StopSignal.received) { throw StopRequested(status: status) }
        return true
      })
    if showsProgress { StandardError.write(StandardError.clearLine) }
    if communicator.rank == 0 {
      let report = EvaluationReport(evaluation, absentClasses: absentAsZero ? .zero : .leftOut)
      print(report.table)
      if let json { try report.write(to: json) }
      if let firstFailure {
        throw InferenceError.missingPredictions(unwritten, of: samples.count, reason: "\(firstFailure)")
      }
    }
    communicator.finalize()
  }
}
