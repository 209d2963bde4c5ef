import ArgumentParser
import Cityscapes
import Distributed
import System
import Tensors
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints a model's figures on a split, class by class; alone or under mpirun.",
    discussion: "The ranks share out the images; the figures do not depend on their number.")

  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value("folder", "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout."))
  var dataPath = "data"

  @Option(
    name: .kebabOrSnake("model-weight"),
    help: .value("file", "Model or checkpoint, a safetensors file; its backbone is recognized."))
  var modelWeight: String

  @Option(help: .value("name", "Part of the data set."))
  var split = Split.val

  @Option(help: .value("number", "Compute threads of each rank (default: the cores that are the rank's own)."))
  var threads: Int?

  @Option(
    help: .value(
      "folder", "Write the predictions there as NAME_prediction.png, labelIds, ready for the benchmark server."))
  var export: String?

  @Option(help: .value("file", "Write the figures there as JSON, shares from 0 to 1."))
  var json: String?

  @Flag(
    help: "Count classes that the ground truth does not hold as 0 in the means, as the original implementation does.")
  var absentAsZero = false

  func run() throws {
    let communicator = try Communicator.initialize()
    let workers = WorkerPool(threads: try computeThreads(threads, communicator))
    let model = try communicator.collectively { try ModelLoader.read(modelWeight) }
    try Preprocessing.runOnAllRanks(dataPath, splits: [split], communicator: communicator, threads: workers.threads)
    let samples = try CityscapesDirectory(root: dataPath).samples(of: split)
    if let export { try communicator.collectively { try PredictionWriter.make(export) } }
    let showsProgress = communicator.rank == 0 && StandardError.isTerminal
    let evaluation = try Evaluator(model, workers: workers, communicator: communicator).evaluate(
      samples, of: split,
      predicted: { sample, trainIds, size in
        if let export { try PredictionWriter.writeLabelIds(trainIds, size, of: sample, to: export) }
      },
      imageEvaluated: { done, total in
        if showsProgress { StandardError.write("\(StandardError.clearLine)  \(split.rawValue) \(done)/\(total)") }
      })
    if showsProgress { StandardError.write(StandardError.clearLine) }
    if communicator.rank == 0, let evaluation {
      let report = EvaluationReport(evaluation, absentClasses: absentAsZero ? .zero : .leftOut)
      print(report.table)
      if let json { try report.write(to: json) }
    }
    communicator.finalize()
  }
}
