import Foundation
import GatedSCNN
import System
import Training

extension Benchmarks {
  /// Times what event files for TensorBoard cost a step of a training, written to a temporary folder.
  ///
  /// - Parameters:
  ///   - steps: of a repetition.
  ///   - repetitions: after one warm-up.
  ///   - folder: where the temporary folder is created.
  /// - Returns: the seconds of a step, and the bytes that it adds to the file.
  /// - Throws: `TrainingError` if nothing can be written there.
  package static func tensorBoard(steps: Int = 1000, repetitions: Int, folder: String) throws -> BenchmarkResult {
    let path = "\(folder)/gscnn-bench-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var warning: String?
    let files = TensorBoardFiles(folder: path, TrainingOptions(), warn: { warning = $0 })
    let length = TrainingLength(stepsPerEpoch: steps * (repetitions + 1), epochs: 1)
    files.observe(
      .started(
        RunDescription(
          options: TrainingOptions(), layout: [], parameters: 0, images: [:], length: length,
          position: Position(epoch: 0, step: 0), origin: nil)))
    var step = 0
    func size() -> Int {
      let train = path + "/train"
      return FileSystem.names(in: train).reduce(0) { $0 + (FileSystem.size(of: "\(train)/\($1)") ?? 0) }
    }
    let before = size()
    let seconds = repeated(repetitions + 1) {
      for _ in 0..<steps {
        step += 1
        files.observe(
          .stepped(
            StepReport(
              position: Position(epoch: 0, step: step), loss: JointLoss(semantic: 1, edge: 0.5, task: 0.25),
              learningRate: 0.01, gradientNorm: 3, imagesPerSecond: 0.6,
              times: StepTimes(loading: 0.001, forward: 2.5, backward: 4.5, communication: 0.01, update: 0.02))))
      }
    }
    if let warning { throw TrainingError(warning) }
    var result = BenchmarkResult(
      bench: "tensorboard", threads: 1, seconds: seconds.dropFirst().map { rounded($0 / Double(steps), to: 1e-7) })
    result.bytes = (size() - before) / step
    return result
  }
}
