import Foundation
import Glibc
import System
import Training

/// Reads the files of a run again and again while it goes on, writes, stops, and is resumed. Writes nothing.
package final class RunReader {
  private let path: String
  private let host: String
  private var prefix: String?
  private var stepsFile = AppendedFile("")
  private var stepColumns: [String] = []
  private var run = WatchedRun(prefix: "")
  private var startsText: [UInt8] = []
  private var statusText: [UInt8] = []
  /// When the status was last seen to change, on this machine's clock; nil if it has not changed since the first look.
  private var statusChanged: Double?

  /// - Parameters:
  ///   - path: a results folder, P, the folder P, or a file of the run.
  ///   - host: name of this machine.
  package init(_ path: String, host: String) {
    let path = Self.withoutSlashes(path)
    self.path = RunPaths.prefix(ofFile: path) ?? path
    self.host = host
  }

  /// - Parameters:
  ///   - now: seconds of a monotonic clock.
  ///   - time: seconds since 1970.
  /// - Returns: nil if there is no run yet.
  package func read(now: Double = Clock.now, time: Double = Date().timeIntervalSince1970) -> WatchedRun? {
    let prefixes = Self.prefixes(at: path)
    guard let newest = prefixes.first else { return nil }
    if newest != prefix {
      prefix = newest
      (stepColumns, startsText, statusText, statusChanged) = ([], [], [], nil)
      run = WatchedRun(prefix: newest)
      stepsFile = AppendedFile(newest + "_steps.csv")
    }
    run.others = Array(prefixes.dropFirst())
    readStarts()
    readSteps()
    if let epochs = Self.epochs(at: newest + "_statistics.csv") { run.epochs = epochs }
    readStatus(now: now, time: time)
    return run
  }

  // MARK: - Where

  private static func withoutSlashes(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  /// The runs that a path names, the one that was written to last first.
  static func prefixes(at path: String) -> [String] {
    if isRun(path) { return [path] }
    var found: Set<String> = []
    for name in FileSystem.names(in: path) {
      if name.hasSuffix("_steps.csv") { found.insert("\(path)/\(name.dropLast("_steps.csv".count))") }
      if isRun("\(path)/\(name)") { found.insert("\(path)/\(name)") }
    }
    return found.map { ($0, lastWritten($0)) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.map(\.0)
  }

  private static func isRun(_ prefix: String) -> Bool {
    ["_steps.csv", "/status.json", "/checkpoints"].contains { FileSystem.exists(prefix + $0) }
  }

  /// Seconds since 1970.
  private static func lastWritten(_ prefix: String) -> Double {
    ["_steps.csv", "/status.json", "_statistics.csv"].compactMap { suffix in
      var status = stat()
      guard stat((prefix + suffix).pathBytes, &status) == 0 else { return nil }
      return Double(status.st_mtim.tv_sec) + 1e-9 * Double(status.st_mtim.tv_nsec)
    }.max() ?? 0
  }

  // MARK: - Tables

  private func readSteps() {
    let (lines, isNew) = stepsFile.read()
    if isNew { (run.steps, stepColumns) = ([], []) }
    for line in lines {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      if fields.first == "epoch" {
        stepColumns = fields
        continue
      }
      let row = Dictionary(zip(stepColumns, fields)) { first, _ in first }
      // A line that a full disk has cut is no step.
      guard fields.count == stepColumns.count, let epoch = row["epoch"].flatMap({ Int($0) }),
        let step = row["step"].flatMap({ Int($0) })
      else { continue }
      run.steps.append(
        WatchedRun.Step(
          epoch: epoch, step: step, loss: row["loss"].flatMap { Double($0) }, learningRate: row["learning_rate"] ?? "",
          imagesPerSecond: row["images_per_second"] ?? ""))
    }
  }

  /// - Returns: nil if there is no such file now.
  private static func epochs(at path: String) -> [WatchedRun.Epoch]? {
    guard let bytes = bytes(of: path) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    let columns = (lines.first ?? "").split(separator: ",").map(String.init)
    return lines.dropFirst().compactMap { line in
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == columns.count else { return nil }
      return WatchedRun.Epoch(fields: Dictionary(zip(columns, fields)) { first, _ in first })
    }
  }

  private static func bytes(of path: String) -> [UInt8]? {
    (try? Data(contentsOf: URL(fileURLWithPath: path))).map { [UInt8]($0) }
  }

  // MARK: - The process

  private func readStarts() {
    struct Description: Codable {
      struct Start: Codable { var time: String }
      var starts: [Start]
    }
    let text = Self.bytes(of: run.prefix + "_run.json") ?? []
    guard text != startsText else { return }
    startsText = text
    guard let starts = try? JSON.decode(Description.self, from: Data(text)).starts, let first = starts.first,
      let date = try? Date(first.time, strategy: .iso8601)
    else { return }
    run.starts = WatchedRun.Starts(count: starts.count, first: date.timeIntervalSince1970)
  }

  private func readStatus(now: Double, time: Double) {
    run.holder = Self.bytes(of: run.prefix + "/lock").flatMap {
      try? JSON.decode(WatchedRun.Holder.self, from: Data($0))
    }
    let text = Self.bytes(of: run.prefix + "/status.json") ?? []
    if text != statusText {
      if let status = try? RunStatus(json: Data(text)) {
        if !statusText.isEmpty { statusChanged = now }
        run.status = status
      } else if text.isEmpty {
        run.status = nil
      }
      statusText = text
    }
    // The clocks of two machines may differ: once it has changed, this one's own counts.
    run.statusAge = run.status.map { status in statusChanged.map { now - $0 } ?? max(0, time - status.time) }
    let process = run.holder.map { ($0.host, $0.process) } ?? run.status.map { ($0.host, $0.process) }
    run.isProcessThere = process.flatMap { $0.0 == host ? kill($0.1, 0) == 0 || errno == EPERM : nil }
  }
}
