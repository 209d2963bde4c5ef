import Foundation
import GatedSCNN
import System

/// Writes `P_steps.csv`: one line per step, appended after each step. Lines that cannot be written are kept in memory
/// and written with a later step. The dual-task loss has a column where it is part of the loss. The last columns say
/// where the time of the step went on rank 0.
package final class StepsFile: TrainingObserver {
  private let columns: [String]
  private let path: String
  private let warn: (String) -> Void
  /// Lines that are not written yet.
  private var pending = ""
  /// The file system that the file is on: once it is unmounted, the path leads to another one.
  private var device: dev_t?
  private var hasFailed = false

  /// - Parameters:
  ///   - loss: that the run minimizes.
  ///   - warn: receives a line about what cannot be read or written.
  package init(
    path: String, loss: JointLoss.Configuration.Kind = .standard,
    warn: @escaping (String) -> Void = { StandardError.write("gscnn: \($0)\n") }
  ) {
    self.path = path
    columns =
      ["epoch", "step", "loss", "semantic", "edge", "task"] + (loss == .full ? ["dual"] : [])
      + ["learning_rate", "gradient_norm", "images_per_second"] + Self.times
    self.warn = warn
  }

  /// Seconds of the parts of a step on rank 0; empty in lines of an earlier version.
  private static let times = [
    "loading_seconds", "forward_seconds", "backward_seconds", "communication_seconds", "update_seconds",
  ]

  private var header: String { columns.joined(separator: ",") }

  package func observe(_ event: TrainingEvent) throws {
    switch event {
    case .started(let run): try open(at: run.position)
    case .stepped(let report):
      pending += line(report)
      flush()
    case .stopped, .finished:
      flush()
      if !pending.isEmpty { warn("\(path): its last \(pending.split(separator: "\n").count) lines are not written") }
    default: break
    }
  }

  /// Opens the file and removes the lines after the position where the run starts: those steps are repeated.
  private func open(at position: Position) throws {
    var kept = [header]
    if position != Position(epoch: 0, step: 0), let old = try? Data(contentsOf: URL(fileURLWithPath: path)) {
      var lines = String(decoding: old, as: UTF8.self).split(separator: "\n").map(String.init)
      // Earlier versions, and runs that minimize another loss, have other columns.
      var present = columns
      if let names = lines.first?.split(separator: ",").map(String.init), names.starts(with: columns.prefix(2)) {
        present = names
        lines.removeFirst()
      }
      kept += lines.filter { Self.isDone($0, of: present, at: position) }.map { line($0, of: present) }
      let damaged = lines.count { Self.position(of: $0, present) == nil }
      if damaged > 0 { warn("\(path): \(damaged) of its \(lines.count) lines are damaged and left out") }
    }
    do {
      try FileSystem().replaceFile(path, with: (kept.joined(separator: "\n") + "\n").utf8)
    } catch {
      throw TrainingError(
        "\(path): the steps cannot be written (\(error.posixMessage)); make the folder writable")
    }
    device = FileSystem.device(of: FileSystem.parent(of: path))
  }

  /// Whether a line with these columns is complete and of a step up to `position`.
  package static func isDone(_ line: String, of columns: [String], at position: Position) -> Bool {
    guard let done = Self.position(of: line, columns) else { return false }
    return (done.epoch, done.step) <= (position.epoch, position.step)
  }

  /// The position after the step of a line; nil if it is damaged: a full disk may have truncated the last one.
  private static func position(of line: String, _ columns: [String]) -> Position? {
    let fields = fields(of: line, atMost: columns.count)
    guard fields.count == columns.count, let epoch = Int(fields[0]), let step = Int(fields[1]), epoch > 0, step > 0,
      fields[2...].allSatisfy({ $0.isEmpty || Double($0) != nil }), isComplete(fields, columns)
    else { return nil }
    return Position(epoch: epoch - 1, step: step)
  }

  /// Whether the last value that every version writes is there, and all times or none.
  private static func isComplete(_ fields: [Substring], _ columns: [String]) -> Bool {
    let count = columns.suffix(times.count) == times[...] ? times.count : 0
    let missing = fields.suffix(count).count(where: \.isEmpty)
    return !fields[columns.count - count - 1].isEmpty && (missing == 0 || missing == count)
  }

  /// A line with other columns, as it is with those of this version: what they lack is empty.
  private func line(_ line: String, of old: [String]) -> String {
    guard old != columns else { return line }
    let fields = Dictionary(zip(old, Self.fields(of: line, atMost: old.count))) { first, _ in first }
    return columns.map { fields[$0].map(String.init) ?? "" }.joined(separator: ",")
  }

  private static func fields(of line: String, atMost count: Int) -> [Substring] {
    line.split(separator: ",", maxSplits: count, omittingEmptySubsequences: false)
  }

  private func line(_ report: StepReport) -> String {
    let loss = report.loss
    let losses = [loss.total, loss.semantic, loss.edge, loss.task] + (loss.dual.map { [$0] } ?? [])
    let numbers = (losses + [report.learningRate, report.gradientNorm]).map { String(number: $0) }
    let times = report.times
    let seconds = [times.loading, times.forward, times.backward, times.communication, times.update]
    return "\(report.position.epoch + 1),\(report.position.step),\(numbers.joined(separator: ",")),"
      + String(format: "%.4g,", report.imagesPerSecond)
      + seconds.map { String(format: "%.4f", $0) }.joined(separator: ",") + "\n"
  }

  /// Appends the pending lines.
  private func flush() {
    guard !pending.isEmpty else { return }
    do {
      try append(pending)
      pending = ""
      if hasFailed { warn("\(path): is written again") }
      hasFailed = false
    } catch {
      if !hasFailed {
        warn("\(error); training goes on, and its lines are kept until they can be written")
      }
      hasFailed = true
    }
  }

  /// Appends to the file, by its path: it may have been removed, or its file system mounted again.
  private func append(_ lines: String) throws {
    guard FileSystem.device(of: FileSystem.parent(of: path)) == device else {
      throw FileError(path, .open, errno: ENODEV)
    }
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path, .open, errno: errno) }
    let bytes = Array((status.st_size == 0 ? header + "\n" + lines : lines).utf8)
    let written = Glibc.write(descriptor, bytes, bytes.count)
    guard written == bytes.count else {
      let code = written < 0 ? errno : ENOSPC
      // No part of a line stays.
      ftruncate(descriptor, status.st_size)
      throw FileError(path, .write, errno: code)
    }
  }
}
