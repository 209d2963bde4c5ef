import Foundation
import System

/// Writes `P_steps.csv`: one line per step, appended after each step.
package final class StepsFile: TrainingObserver {
  private static let columns = [
    "epoch", "step", "loss", "semantic", "edge", "task", "learning_rate", "images_per_second",
  ]
  private let path: String
  private var file: FileHandle?

  package init(path: String) { self.path = path }

  package func observe(_ event: TrainingEvent) throws {
    switch event {
    case .started(let run): try open(at: run.position)
    case .stepped(let report): try append(report)
    case .stopped, .finished: try file?.close()
    default: break
    }
  }

  /// Opens the file and removes the lines after the position where the run starts: those steps are repeated.
  private func open(at position: Position) throws {
    var kept = [Self.columns.joined(separator: ",")]
    if position != Position(epoch: 0, step: 0), let old = try? String(contentsOfFile: path, encoding: .utf8) {
      kept += old.split(separator: "\n").dropFirst().map(String.init).filter { Self.isDone($0, at: position) }
    }
    do {
      try FileSystem().replaceFile(path, with: (kept.joined(separator: "\n") + "\n").utf8)
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try file.seekToEnd()
      self.file = file
    } catch {
      throw TrainingError(
        "\(path): the steps cannot be written (\(error.posixMessage)); make the folder writable")
    }
  }

  /// Whether a line is complete and of a step up to `position`.
  package static func isDone(_ line: String, at position: Position) -> Bool {
    let fields = line.split(separator: ",")
    // A full disk may have truncated the last line.
    guard fields.count == columns.count, let epoch = Int(fields[0]), let step = Int(fields[1]) else { return false }
    return (epoch - 1, step) <= (position.epoch, position.step)
  }

  private func append(_ report: StepReport) throws {
    let loss = report.loss
    let line = String(
      format: "%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.4g\n", report.position.epoch + 1, report.position.step, loss.total,
      loss.semantic, loss.edge, loss.task, report.learningRate, report.imagesPerSecond)
    do {
      try file?.write(contentsOf: Data(line.utf8))
    } catch {
      throw TrainingError("\(path): the step cannot be written (\(error.posixMessage)); free some space and resume")
    }
  }
}
