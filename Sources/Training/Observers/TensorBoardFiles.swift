import Cityscapes
import Foundation
import GatedSCNN
import Inference
import Kernels
import Layers
import Microkernels
import System
import TensorBoard
import Tensors

/// Writes the event files of TensorBoard to `P/tensorboard`: the runs `train`, `val` and `ema` (the average of weights),
/// which share the tags of what they have in common, so that a chart shows them together.
///
/// The step of every value is the number of steps done. A resumed run removes the values of the steps that it repeats from
/// the files that are there, and goes on in new ones. What cannot be written is kept in memory, up to a limit, and the
/// training goes on.
package final class TensorBoardFiles: TrainingObserver {
  private enum Run: String, CaseIterable {
    case train, val, ema
  }

  private let folder: String
  private let options: TrainingOptions
  private let parameters: [Parameter]
  private let warn: (String) -> Void
  private let now: () -> Double
  private let fileSystem: FileSystem
  private var files: [Run: EventFile] = [:]
  private var length = TrainingLength(stepsPerEpoch: 1, epochs: 1)
  private var hasFailed = false
  /// Whether this process has computed gradients.
  private var hasStepped = false

  /// - Parameters:
  ///   - folder: of the runs.
  ///   - parameters: whose distributions are written, if the options say so.
  ///   - warn: receives a line about what cannot be read or written.
  ///   - now: seconds since 1970.
  package init(
    folder: String, _ options: TrainingOptions, parameters: [Parameter] = [],
    warn: @escaping (String) -> Void = { StandardError.write("gscnn: \($0)\n") },
    now: @escaping () -> Double = { Date().timeIntervalSince1970 }, fileSystem: FileSystem = FileSystem()
  ) {
    self.folder = folder
    self.options = options
    self.parameters = parameters
    self.warn = warn
    self.now = now
    self.fileSystem = fileSystem
  }

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let run): start(run)
    case .stepped(let report):
      hasStepped = true
      add(.train, step(at: report.position), Self.values(of: report))
    case .imagesPredicted(let images, let epoch):
      add(.val, step(atEndOf: epoch), images.flatMap(Self.values))
    case .epochFinished(let report, _, _): add(report)
    case .finished: add(.val, length.steps, [Hyperparameters.end(.success, at: now())])
    case .failed: add(.val, length.steps, [Hyperparameters.end(.failure, at: now())])
    case .stopped: break
    case .skipped, .imageEvaluated, .tested: return
    }
    flush()
    switch event {
    case .finished, .failed, .stopped: close()
    default: break
    }
  }

  // MARK: - The start

  private func start(_ run: RunDescription) {
    length = run.length
    let done = step(at: run.position)
    for name in Run.allCases {
      let path = "\(folder)/\(name.rawValue)"
      let isDone = isDone(at: run.position)
      var lastEpoch = 0
      do {
        try EventFile.trim(path) { step, tag in
          let isKept = isDone(step, tag)
          if isKept, tag == Tag.epochLoss { lastEpoch = max(lastEpoch, step) }
          return isKept
        }
      } catch {
        warn("\(error); training goes on, and TensorBoard may show steps twice")
      }
      files[name] = EventFile(in: path, firstStep: done + 1, time: now(), fileSystem: fileSystem)
      // Epochs that an earlier process could not write, or that began without event files.
      for report in run.epochs where step(atEndOf: report.epoch) > lastEpoch { add(report, to: name) }
    }
    add(
      .train, done,
      [
        .text(Tag.options, Self.verbatim(run.options.configuration)),
        .text(Tag.layout, Self.verbatim(run.layout.joined(separator: "\n"))), charts.value,
      ])
    add(.val, done, hyperparameters.start(at: now()))
  }

  /// Whether a value is of the training up to a position, and not written again by what follows it.
  private func isDone(at position: Position) -> (_ step: Int, _ tag: String) -> Bool {
    let done = step(at: position)
    let lastEpoch = step(atEndOf: position.epoch)
    return { step, tag in
      if tag.hasPrefix(Hyperparameters.tags) || tag == ScalarLayout.tag { return false }
      if tag == Tag.options || tag == Tag.layout { return step < done }
      // A checkpoint after the last step of an epoch may be from before its validation.
      return step <= (Tag.ofSteps.contains(tag) ? done : lastEpoch)
    }
  }

  private static func verbatim(_ text: String) -> String { "```\n\(text)\n```" }

  private var charts: ScalarLayout {
    typealias Chart = ScalarLayout.Chart
    let categories = options.table.categories.isEmpty ? [] : [Chart("IoU of all categories", tags: ["category_iou/.*"])]
    return ScalarLayout([
      ScalarLayout.Category(
        "Classes",
        [Chart("IoU of all classes", tags: ["iou/.*"])] + categories
          + [Chart("Boundary F-score", tags: ["boundary_f/.*"])]),
      ScalarLayout.Category(
        "Steps", [Chart("Losses", tags: ["loss/.*"]), Chart("Seconds of a step", tags: ["time/.*"])]),
    ])
  }

  private var hyperparameters: Hyperparameters {
    var metrics = [Hyperparameters.Metric(tag: "mean_iou/class", title: "class mIoU, %")]
    if !options.table.categories.isEmpty {
      metrics.append(Hyperparameters.Metric(tag: "mean_iou/category", title: "category mIoU, %"))
    }
    metrics += [
      Hyperparameters.Metric(tag: "epoch/pixel_accuracy", title: "pixel accuracy, %"),
      Hyperparameters.Metric(tag: Tag.epochLoss, title: "validation loss"),
    ]
    let values = options.shaping.map { (String($0.option.dropFirst(2)), $0.value) }
    return Hyperparameters(columns: Self.columns, values: Dictionary(values) { $1 }, metrics: metrics)
  }

  /// Every option that shapes a training, also those that this one lacks.
  package static let columns: [Hyperparameters.Column] = {
    let first = ["backbone-type", "batch-size", "epochs", "learning-rate", "loss"]
    func choices<Choice: CaseIterable & RawRepresentable<String>>(_ type: Choice.Type) -> [String] {
      type.allCases.map(\.rawValue)
    }
    let texts = [
      "augment": choices(AugmentationMode.self), "backbone-type": choices(Backbone.self),
      "batch-norm": choices(TrainingOptions.BatchNormScope.self), "blur": [], "class-weights": [], "distort": [],
      "dual-task": choices(DualTaskLoss.Variant.self), "loss": choices(JointLoss.Configuration.Kind.self),
      "no-decay": [],
      "normalize": choices(Normalization.self), "ohem": [], "optimizer": choices(OptimizerOptions.Rule.self),
      "precision": choices(Precision.self), "reduce": choices(Precision.self), "save-best": choices(BestFigure.self),
      "scale": [],
      "schedule": choices(ScheduleOptions.Unit.self),
    ]
    let numbers = [
      "accumulate", "backbone-lr-factor", "base-batch-size", "batch-norm-group", "batch-size", "class-uniform",
      "clip-norm", "crop-h", "crop-w", "dual-task-temperature", "dual-task-weight", "early-stop", "ema-decay", "epochs",
      "final-learning-rate", "head-lr-factor", "learning-rate", "max-steps", "momentum", "power", "seed",
      "trust-coefficient", "warmup-start-lr", "warmup-steps", "weight-decay",
    ]
    return texts.sorted { $0.key < $1.key }
      .map { .init($0.key, isNumber: false, isFirst: first.contains($0.key), choices: $0.value) }
      + numbers.map { .init($0, isNumber: true, isFirst: first.contains($0)) }
  }()

  // MARK: - Values

  private enum Tag {
    static let options = "run/options"
    static let layout = "run/layout"
    /// Each epoch has it, in each run.
    static let epochLoss = "epoch/loss"
    /// Those of single steps; all others are of epochs.
    static let ofSteps: Set = [
      "loss/total", "loss/semantic", "loss/edge", "loss/task", "loss/dual", "optimizer/learning_rate",
      "optimizer/gradient_norm", "speed/images_per_second", "time/loading", "time/forward", "time/backward",
      "time/communication", "time/update",
    ]
  }

  /// The number of steps done at a position.
  private func step(at position: Position) -> Int {
    min(position.epoch * length.stepsPerEpoch + position.step, length.steps)
  }

  /// - Parameter epoch: counted from 1.
  private func step(atEndOf epoch: Int) -> Int { step(at: Position(epoch: epoch, step: 0)) }

  private func add(_ run: Run, _ step: Int, _ values: [SummaryValue]) {
    guard !values.isEmpty else { return }
    files[run]?.add(Event(wallTime: now(), step: step, .summary(values)))
  }

  private static func values(of report: StepReport) -> [SummaryValue] {
    let (loss, times) = (report.loss, report.times)
    return [
      .scalar("loss/total", loss.total), .scalar("loss/semantic", loss.semantic), .scalar("loss/edge", loss.edge),
      .scalar("loss/task", loss.task),
    ] + (loss.dual.map { [.scalar("loss/dual", $0)] } ?? []) + [
      .scalar("optimizer/learning_rate", report.learningRate), .scalar("optimizer/gradient_norm", report.gradientNorm),
      .scalar("speed/images_per_second", report.imagesPerSecond), .scalar("time/loading", times.loading),
      .scalar("time/forward", times.forward), .scalar("time/backward", times.backward),
      .scalar("time/communication", times.communication), .scalar("time/update", times.update),
    ]
  }

  private func add(_ report: EpochReport) {
    for run in Run.allCases { add(report, to: run) }
    guard options.tensorBoard.histograms else { return }
    for parameter in parameters {
      let value = SummaryValue.histogram("parameters/\(parameter.name)", Self.histogram(of: parameter.value))
      // Gradients are sums over the batches of a step. A process that begins with a validation has none.
      let mean = Self.histogram(of: parameter.gradient).scaled(by: 1 / Double(options.optimizer.accumulate))
      let gradient = hasStepped ? [SummaryValue.histogram("gradients/\(parameter.name)", mean)] : []
      add(.train, step(atEndOf: report.epoch), [value] + gradient)
    }
  }

  private func add(_ report: EpochReport, to run: Run) {
    let scores =
      switch run {
      case .train: report.train
      case .val: report.validation
      case .ema: report.average
      }
    if let scores { add(run, step(atEndOf: report.epoch), values(of: scores)) }
  }

  private static func histogram(of numbers: FloatSlice) -> Histogram {
    Histogram(of: UnsafeBufferPointer(start: numbers.start, count: numbers.count))
  }

  /// The figures of a split; shares in percent, as everywhere in the results.
  private func values(of scores: EpochReport.Scores) -> [SummaryValue] {
    let table = options.table
    var figures: [(tag: String, share: Double?)] = [
      ("epoch/pixel_accuracy", scores.pixelAccuracy), ("epoch/mean_accuracy", scores.meanAccuracy),
      ("mean_iou/class", scores.meanClassIoU), ("mean_iou/category", scores.meanCategoryIoU),
    ]
    figures += zip(table.classes, scores.classIoU ?? []).map { ("iou/\($0.name)", $1) }
    figures += zip(table.categories, scores.categoryIoU ?? []).map { ("category_iou/\($0)", $1) }
    for score in scores.boundaryF ?? [] {
      let radius = score.radius
      let pixels = radius.count == 1 ? "\(radius.lowerBound)" : "\(radius.lowerBound)-\(radius.upperBound)"
      let tag = "boundary_f/\(pixels)px"
      // On small images several thresholds are the same number of pixels.
      if !figures.contains(where: { $0.tag == tag }) { figures.append((tag, score.mean)) }
    }
    return [.scalar(Tag.epochLoss, scores.loss)]
      + figures.compactMap { tag, share in share.map { .scalar(tag, $0 * 100) } }
  }

  private static func values(of image: ImagePanels) -> [SummaryValue] {
    image.panels.map { panel in
      .image(
        "\(image.name)/\(panel.title)", png: [UInt8](panel.png), height: panel.height, width: panel.width,
        channels: panel.channels)
    }
  }

  // MARK: - The disk

  private func flush() {
    var failure: (any Error)?
    for run in Run.allCases {
      do { try files[run]?.flush() } catch { failure = failure ?? error }
    }
    if let failure {
      if !hasFailed { warn("\(failure); training goes on, and its curves are kept until they can be written") }
    } else if hasFailed {
      warn("\(folder): is written again")
      warnOfLosses()
    }
    hasFailed = failure != nil
  }

  private func close() {
    guard hasFailed else { return }
    warn("\(folder): the last curves are not written")
    warnOfLosses()
  }

  private func warnOfLosses() {
    let lost = files.values.reduce(0) { $0 + $1.lostRecords }
    if lost > 0 { warn("\(folder): \(lost) records were lost, as memory holds 16 MiB of them") }
  }
}
