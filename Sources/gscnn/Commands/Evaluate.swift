import ArgumentParser
import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Pictures
import Tensors
import Training
import Weights

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints a model's figures on a split, class by class; alone or under mpirun.")

  @Option(
    name: [.customLong("data-path"), .customLong("data_path")],
    help: "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout.")
  var dataPath = "data"

  @Option(
    name: [.customLong("model-weight"), .customLong("model_weight")],
    help: "Model or checkpoint, a safetensors file; its trunk is recognised.")
  var modelWeight: String

  @Option(help: "val or test.")
  var split = Split.val

  @Option(help: "Compute threads of each rank (default: the cores that are the rank's own).")
  var threads: Int?

  @Option(help: "Folder for the predictions as labelIds, ready for the benchmark server.")
  var export: String?

  @Option(help: "File for the figures as JSON.")
  var json: String?

  @Flag(
    help: "Count classes that the ground truth does not hold as 0 in the means, as the original implementation does.")
  var absentAsZero = false

  func run() throws {
    let communicator = try Communicator.start()
    let workers = WorkerPool(threads: try computeThreads(threads, communicator))
    let model = try Models.read(modelWeight)
    try DataSet.prepare(dataPath, splits: [split], communicator: communicator, threads: workers.threads)
    let samples = try FolderLayout(root: dataPath).samples(of: split)
    if let export { try PredictionFolder.make(export) }
    let evaluation = try Evaluator(model, workers: workers, communicator: communicator).evaluate(
      samples, of: split,
      predicted: { sample, trainIds, size in
        if let export { try PredictionFolder.writeLabelIds(trainIds, size, of: sample, to: export) }
      },
      judged: { done, total in
        guard communicator.rank == 0, isatty(STDERR_FILENO) == 1 else { return }
        FileHandle.standardError.write(
          Data("\r\(split.rawValue) \(done)/\(total)\(done == total ? "\r\u{1B}[K" : "")".utf8))
      })
    if communicator.rank == 0, let evaluation {
      let metrics = Metrics(evaluation.confusion, absentClasses: absentAsZero ? .zero : .leftOut)
      print(metrics.table)
      print(
        String(format: "\nFPS              %.3f   (%d pictures)", evaluation.picturesPerSecond, evaluation.pictures))
      if let json { try write(metrics, evaluation, to: json) }
    }
    communicator.finish()
  }

  private func write(_ metrics: Metrics, _ evaluation: Evaluation, to path: String) throws {
    struct Report: Codable {
      let split: String
      let pictures: Int
      let loss: Double
      let picturesPerSecond: Double
      let metrics: Metrics
      let confusion: ConfusionMatrix
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let report = Report(
      split: split.rawValue, pictures: evaluation.pictures, loss: evaluation.loss,
      picturesPerSecond: evaluation.picturesPerSecond, metrics: metrics, confusion: evaluation.confusion)
    do {
      try encoder.encode(report).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw TrainingError(
        "--json \(path): the file cannot be written (\(error.localizedDescription)); give another path")
    }
  }
}

extension Split: ExpressibleByArgument {}
