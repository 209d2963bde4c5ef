import Cityscapes
import Foundation
import Inference
import System

/// Shows progress on standard error: a bar on a terminal, plain lines elsewhere. (Results go to standard output.)
package final class ConsoleProgress: TrainingObserver {
  private let isTerminal: Bool
  private let write: (String) -> Void
  private let now: () -> Double
  private var options = TrainingOptions()
  private var length = TrainingLength(stepsPerEpoch: 1, epochs: 1)
  private var barIsOpen = false
  /// Smoothed images per second, for the time left.
  private var imagesPerSecond: Double?
  private var evaluation: EvaluationProgress?

  /// When the evaluation of a split began, after how many images, and when a line last told its progress.
  private struct EvaluationProgress {
    let begin: (seconds: Double, images: Int)
    var lastLine: Double
  }

  /// - Parameters:
  ///   - isTerminal: whether to draw a bar.
  ///   - write: receives the text to show, line ends included.
  ///   - now: seconds of a monotonic clock.
  package init(
    isTerminal: Bool = StandardError.isTerminal, write: @escaping (String) -> Void = StandardError.write,
    now: @escaping () -> Double = { Clock.now }
  ) {
    self.isTerminal = isTerminal
    self.write = write
    self.now = now
  }

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let run): announce(run)
    case .stepped(let report): isTerminal ? draw(report) : log(report)
    case .skipped(let position, let value, let images):
      line(
        "epoch \(position.epoch + 1)/\(length.epochs) step \(position.step + 1)/\(length.stepsPerEpoch) skipped: \(value); "
          + "images: "
          + images.prefix(5).joined(separator: ", ") + (images.count > 5 ? " and \(images.count - 5) more" : ""))
    case .imageEvaluated(let split, let done, let total):
      isTerminal ? show("  \(split.rawValue) \(done)/\(total)") : log(split, done: done, of: total)
    case .epochFinished(let report, let isBest, let isBestAverage):
      summarize(report, isBest: isBest, isBestAverage: isBestAverage)
    case .tested(let evaluation): line("  test:  \(Self.describe(evaluation))")
    case .stopped(_, let checkpoint):
      line(
        options.isDryRun == true
          ? "dry run: the steps, a validation image of each rank that validates and a checkpoint are done; the run would start"
          : "stopped; saved in \(checkpoint): resume with --resume auto")
    case .finished(let best, let early):
      let end =
        early ? "done early, after \(options.earlyStop ?? 0) validations without a better model" : "done"
      let figure = options.bestFigure
      line(best.map { "\(end); best validation \(figure.title) \(figure.text($0))" } ?? end)
    }
  }

  private func announce(_ run: RunDescription) {
    options = run.options
    length = run.length
    for text in run.layout { line(text) }
    let counts = Split.allCases.compactMap { split in run.images[split].map { "\($0) \(split.rawValue)" } }
    line(
      "Gated-SCNN on \(run.options.backbone.rawValue), "
        + String(format: "%.1f M parameters; ", Double(run.parameters) * 1e-6)
        + "images: \(counts.joined(separator: ", ")); \(run.length.stepsPerEpoch) steps an epoch"
        + (run.options.steps.map { ", \($0) in all" } ?? ""))
    for text in run.options.listing() + Self.rates(run) { line(text) }
    for text in run.prepared { line(text) }
    if let origin = run.origin {
      let (epoch, step) = (run.position.epoch + 1, run.position.step)
      line("from \(origin): " + (epoch > run.length.epochs ? "all epochs are done" : "epoch \(epoch), step \(step)"))
    }
  }

  private func log(_ report: StepReport) {
    let (epoch, step) = (report.position.epoch, report.position.step)
    guard step % options.logEvery == 0 || step == steps(of: epoch) else { return }
    line(
      "epoch \(epoch + 1)/\(length.epochs) step \(step)/\(steps(of: epoch)) "
        + Self.describe(report))
  }

  /// Steps of an epoch; the last one may be shorter.
  private func steps(of epoch: Int) -> Int { min(length.stepsPerEpoch, length.steps - epoch * length.stepsPerEpoch) }

  /// What the options make of the learning rate.
  private static func rates(_ run: RunDescription) -> [String] {
    let options = run.options
    guard let base = options.schedule.baseBatchSize else { return [] }
    let images = options.imagesPerStep
    return [
      "learning rate \(number(options.scaledLearningRate)): \(number(options.learningRate)) for batches of \(base), scaled "
        + "linearly to \(images)"
    ]
  }

  private static func number(_ value: Double) -> String { String(format: "%.6g", value) }

  /// A line each minute, and one at the start if a stopped evaluation goes on.
  private func log(_ split: Split, done: Int, of total: Int) {
    guard done < total else {
      evaluation = nil
      return
    }
    let time = now()
    guard let progress = evaluation else {
      evaluation = EvaluationProgress(begin: (time, done), lastLine: time)
      if done > 0 { line("  \(split.rawValue) goes on: \(done) of \(total) images are done") }
      return
    }
    guard time - progress.lastLine >= 60 else { return }
    evaluation?.lastLine = time
    let left = (time - progress.begin.seconds) / Double(done - progress.begin.images) * Double(total - done)
    line("  \(split.rawValue) \(done) of \(total) images, \(Self.duration(left)) left")
  }

  private func draw(_ report: StepReport) {
    // The line must fit into 80 columns: a longer one wraps, and cannot be cleared.
    let width = 16
    let (epoch, step) = (report.position.epoch, report.position.step)
    let filled = width * step / max(1, steps(of: epoch))
    let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: width - filled)
    let speed = imagesPerSecond.map { 0.8 * $0 + 0.2 * report.imagesPerSecond } ?? report.imagesPerSecond
    imagesPerSecond = speed
    let stepsLeft = length.steps - epoch * length.stepsPerEpoch - step
    let left = Double(stepsLeft * options.imagesPerStep) / max(speed, 1e-9)
    show(
      "\(epoch + 1)/\(length.epochs) \(bar) \(step)/\(steps(of: epoch)) "
        + String(format: "loss %.4f  %.2f images/s  ", report.loss.total, speed) + Self.duration(left) + " left")
  }

  private static func describe(_ report: StepReport) -> String {
    let loss = report.loss
    return String(
      format: "loss %.4f (semantic %.4f edge %.4f task %.4f", loss.total, loss.semantic, loss.edge, loss.task)
      + (loss.dual.map { String(format: " dual %.4f", $0) } ?? "")
      + String(format: ") lr %.6g %.2f images/s", report.learningRate, report.imagesPerSecond)
  }

  private func summarize(_ report: EpochReport, isBest: Bool, isBestAverage: Bool) {
    func text(_ scores: EpochReport.Scores) -> String {
      String(
        format: "loss %.4f PA %.2f mPA %.2f class mIoU %.2f", scores.loss, scores.pixelAccuracy * 100,
        scores.meanAccuracy * 100, scores.meanClassIoU * 100)
        + Self.categories(scores.meanCategoryIoU)
    }
    let skipped = report.skipped.map { $0 == 0 ? "" : "; \($0) \($0 == 1 ? "step" : "steps") skipped" } ?? ""
    line(
      "epoch \(report.epoch)/\(length.epochs) in \(Self.duration(report.seconds))\(Self.describe(report.loading))\(skipped)"
    )
    line("  train: \(text(report.train))")
    if let validation = report.validation { line("  val:   \(text(validation))\(isBest ? "  best so far" : "")") }
    if let average = report.average { line("  ema:   \(text(average))\(isBestAverage ? "  best so far" : "")") }
  }

  /// The images loaded, and the time of the epoch spent waiting for them.
  private static func describe(_ loading: Loader.Statistics?) -> String {
    guard let loading else { return "" }
    let cached = loading.cached > 0 ? ", \(loading.cached) from the cache" : ""
    return String(format: ", of which %.2f s waiting for images (%d decoded", loading.secondsWaited, loading.decoded)
      + "\(cached))"
  }

  private static func describe(_ evaluation: Evaluation) -> String {
    let metrics = evaluation.metrics
    guard metrics.pixels > 0 else {
      return
        "\(evaluation.images) \(evaluation.images == 1 ? "image" : "images") predicted; no figures, as their labels are empty"
    }
    return String(
      format: "PA %.2f mPA %.2f class mIoU %.2f", metrics.pixelAccuracy * 100, metrics.meanAccuracy * 100,
      metrics.meanClassIoU * 100)
      + categories(metrics.meanCategoryIoU) + String(format: ", %.2f images/s", evaluation.imagesPerSecond)
  }

  private static func categories(_ meanIoU: Double?) -> String {
    meanIoU.map { String(format: " category mIoU %.2f", $0 * 100) } ?? ""
  }

  /// 75 → "1 min 15 s"; 7300 → "2 h 1 min".
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let total = Int(seconds.rounded())
    return switch total {
    case ..<60: "\(total) s"
    case ..<3600: "\(total / 60) min \(total % 60) s"
    default: "\(total / 3600) h \(total / 60 % 60) min"
    }
  }

  private func line(_ text: String) {
    write((barIsOpen ? StandardError.clearLine : "") + text + "\n")
    barIsOpen = false
  }

  /// Shows a line that the next one overwrites.
  private func show(_ text: String) {
    write(StandardError.clearLine + text)
    barIsOpen = true
  }
}
