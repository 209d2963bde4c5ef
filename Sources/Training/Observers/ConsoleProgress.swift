import Cityscapes
import Foundation
import Inference
import System

/// Shows a run on standard error: its progress by a `ProgressLine`, and lines that stay. (Results go to standard output.)
package final class ConsoleProgress: TrainingObserver {
  private let progress: ProgressLine
  private let now: () -> Double
  private var options = TrainingOptions()
  private var length = TrainingLength(stepsPerEpoch: 1, epochs: 1)
  /// Those that are finished.
  private var epochs: [EpochReport] = []
  /// Smoothed images per second, for the time left.
  private var imagesPerSecond: Double?
  /// The evaluation that is going on: when it began, after how many images.
  private var evaluation: (begin: Double, images: Int)?
  /// Evaluations of the validation split since the last epoch ended.
  private var validations = 0
  /// Seconds that the latest validation of all images takes, and that of the average of weights.
  private var validationSeconds = [0.0, 0.0]

  /// - Parameters:
  ///   - progress: shows the line, and those that stay.
  ///   - now: seconds of a monotonic clock.
  package init(_ progress: ProgressLine = .shared, now: @escaping () -> Double = { Clock.now }) {
    self.progress = progress
    self.now = now
  }

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let run): announce(run)
    case .stepped(let report):
      log(report)
      show(report)
    case .skipped(let position, let value, let images):
      line(
        "epoch \(position.epoch + 1)/\(length.epochs) step \(position.step + 1)/\(length.stepsPerEpoch) skipped: \(value); "
          + "images: "
          + images.prefix(5).joined(separator: ", ") + (images.count > 5 ? " and \(images.count - 5) more" : ""))
    case .imageEvaluated(let split, let done, let total):
      show(split, done: done, of: total)
    case .epochFinished(let report, let isBest, let isBestAverage):
      summarize(report, isBest: isBest, isBestAverage: isBestAverage)
    case .tested(let evaluation): line("  test:  \(Self.describe(evaluation))")
    case .stopped(_, let checkpoint):
      endWork()
      line(
        options.isDryRun == true
          ? "dry run: the steps, a validation image of each rank that validates and a checkpoint are done; the run would start"
          : "stopped; saved in \(checkpoint): resume with --resume auto")
    case .finished(let best, let early):
      endWork()
      let end =
        early ? "done early, after \(options.earlyStop ?? 0) validations without a better model" : "done"
      let figure = options.bestFigure
      line(best.map { "\(end); best validation \(figure.title) \(figure.text($0))" } ?? end)
    case .imagesPredicted, .failed: break
    }
  }

  private func announce(_ run: RunDescription) {
    options = run.options
    length = run.length
    epochs = run.epochs
    for text in run.layout { line(text) }
    let counts = Split.allCases.compactMap { split in run.images[split].map { "\($0) \(split.rawValue)" } }
    line(
      "Gated-SCNN on \(run.options.backbone.rawValue), "
        + String(format: "%.1f M parameters; ", Double(run.parameters) * 1e-6)
        + "images: \(counts.joined(separator: ", ")); \(run.length.stepsPerEpoch) steps an epoch"
        + (run.options.steps.map { ", \($0) in all" } ?? ""))
    for text in run.options.listing(width: min(110, columns)) + Self.rates(run) { line(text) }
    for text in run.prepared { line(text) }
    if let origin = run.origin {
      let (epoch, step) = (run.position.epoch + 1, run.position.step)
      line("from \(origin): " + (epoch > run.length.epochs ? "all epochs are done" : "epoch \(epoch), step \(step)"))
    }
    progress.begin("training", delay: 0)
  }

  private func log(_ report: StepReport) {
    let (epoch, step) = (report.position.epoch, report.position.step)
    guard !progress.redraws, step % options.logEvery == 0 || step == steps(of: epoch) else { return }
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

  private func show(_ report: StepReport) {
    let (epoch, step) = (report.position.epoch, report.position.step)
    let speed = imagesPerSecond.map { 0.8 * $0 + 0.2 * report.imagesPerSecond } ?? report.imagesPerSecond
    imagesPerSecond = speed
    let stepsLeft = length.steps - epoch * length.stepsPerEpoch - step
    let left = Double(stepsLeft * options.imagesPerStep) / max(speed, 1e-9)
    progress.update { work in
      work.title = "epoch \(epoch + 1)/\(length.epochs)"
      (work.done, work.total) = (step, steps(of: epoch))
      work.notes = [String(format: "loss %.4f", report.loss.total), String(format: "%.2f images/s", speed)]
      work.secondsLeft = left + Double(validationsLeft(from: epoch)) * validationSeconds.reduce(0, +)
    }
  }

  /// The validations from the end of an epoch on.
  private func validationsLeft(from epoch: Int) -> Int {
    (epoch..<max(epoch, length.epochs)).count { ($0 + 1) % options.validateEvery == 0 || $0 + 1 == length.epochs }
  }

  private func show(_ split: Split, done: Int, of total: Int) {
    if evaluation == nil, done < total {
      evaluation = (now(), done)
      let isAverage = split == .val && validations == 1
      let title = split == .test ? "predicting the test split" : "validating" + (isAverage ? " the average" : "")
      progress.begin(title, of: total, from: done, unit: "images")
      if done > 0 { line("  \(split.rawValue) goes on: \(done) of \(total) images are done") }
    }
    if evaluation != nil { progress.update { $0.done = done } }
    guard done == total else { return }
    if let evaluation {
      let seconds = (now() - evaluation.begin) / Double(total - evaluation.images) * Double(total)
      if split == .val, validations < 2 { validationSeconds[validations] = seconds }
      progress.end()
    }
    evaluation = nil
    if split == .val { validations += 1 }
  }

  /// Ends what is shown as going on.
  private func endWork() {
    if evaluation != nil { progress.end() }
    evaluation = nil
    progress.end()
  }

  private static func describe(_ report: StepReport) -> String {
    let loss = report.loss
    return String(
      format: "loss %.4f (semantic %.4f edge %.4f task %.4f", loss.total, loss.semantic, loss.edge, loss.task)
      + (loss.dual.map { String(format: " dual %.4f", $0) } ?? "")
      + String(format: ") lr %.6g %.2f images/s", report.learningRate, report.imagesPerSecond)
  }

  private func summarize(_ report: EpochReport, isBest: Bool, isBestAverage: Bool) {
    validations = 0
    let skipped = report.skipped.map { $0 == 0 ? "" : "; \($0) \($0 == 1 ? "step" : "steps") skipped" } ?? ""
    line(
      "epoch \(report.epoch)/\(length.epochs) in \(String(duration: report.seconds))\(Self.describe(report.loading))\(skipped)"
    )
    let summary = EpochSummary(
      report: report, earlier: epochs, bestFigure: options.bestFigure, classes: options.table.classes.map(\.name),
      isBest: isBest, isBestAverage: isBestAverage, columns: min(80, columns))
    for text in summary.lines { line(text) }
    epochs.append(report)
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

  /// Those that a line can have; a log file is as wide as its lines.
  private var columns: Int { progress.terminalColumns ?? .max }

  private func line(_ text: String) { progress.line(text) }
}
