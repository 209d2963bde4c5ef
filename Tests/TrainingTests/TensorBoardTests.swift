import Cityscapes
import Foundation
import GatedSCNN
import Jobs
import Metrics
import Synchronization
import System
import TensorBoard
import Testing
import Training

private let python = Python(with: "tensorboard")

/// The steps at which a tag has a value, for the first tag of each event, file by file in the order of readers.
private func steps(of run: String) throws -> [String: [Int]] {
  var steps: [String: [Int]] = [:]
  for name in FileSystem.names(in: run) {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(run)/\(name)"))).withUnsafeBytes { bytes in
      for (_, payload) in EventRecords(bytes) {
        let (step, tag) = Event.identity(of: payload)
        if let tag { steps[tag, default: []].append(step) }
      }
    }
  }
  return steps
}

@Suite("Event files for TensorBoard")
struct TensorBoardFilesTests {
  private let folder: String
  private let length = TrainingLength(stepsPerEpoch: 5, steps: 12)

  init() throws { folder = try RunFolder.new("tensorboard") }

  /// - Parameter epochs: those that the checkpoint holds.
  private func started(at epoch: Int, _ step: Int, epochs: [EpochReport] = []) -> TrainingEvent {
    .started(
      RunDescription(
        options: TrainingOptions(), layout: ["1 rank"], parameters: 0, images: [:], length: length,
        position: Position(epoch: epoch, step: step), origin: nil, epochs: epochs))
  }

  private func stepped(_ epoch: Int, _ step: Int) -> TrainingEvent {
    .stepped(
      StepReport(
        position: Position(epoch: epoch, step: step), loss: JointLoss(semantic: 1, edge: 0, task: 0), learningRate: 0.5,
        gradientNorm: 3, imagesPerSecond: 2))
  }

  private func report(_ epoch: Int) -> EpochReport {
    let scores = EpochReport.Scores(
      loss: 1, SegmentationMetrics(ConfusionMatrix(classes: TrainingOptions().table.classes.count)))
    return EpochReport(
      epoch: epoch, train: scores, validation: scores, average: scores, learningRate: 0.5, seconds: 1,
      imagesPerSecond: 2)
  }

  private func finished(_ epoch: Int) -> TrainingEvent {
    .epochFinished(report(epoch), isBest: true, isBestAverage: false)
  }

  /// A process of a run that observes these events.
  private func observe(_ events: [TrainingEvent], fileSystem: FileSystem = FileSystem()) -> [String] {
    var warnings: [String] = []
    let files = TensorBoardFiles(
      folder: folder, TrainingOptions(), warn: { warnings.append($0) }, now: { 1_700_000_000 }, fileSystem: fileSystem)
    for event in events { files.observe(event) }
    return warnings
  }

  /// Both whole epochs, and two steps of the third, in which the training ends.
  private var wholeRun: [TrainingEvent] {
    [started(at: 0, 0)] + (1...5).map { stepped(0, $0) } + [finished(1)] + (1...5).map { stepped(1, $0) } + [
      finished(2)
    ]
      + (1...2).map { stepped(2, $0) } + [finished(3), .finished(bestScore: nil, early: false)]
  }

  @Test("The step of a value is the number of steps done, also where the last epoch is shorter")
  func straight() throws {
    #expect(observe(wholeRun) == [])
    let train = try steps(of: folder + "/train")
    #expect(train["loss/total"] == Array(1...12))
    #expect(train["epoch/loss"] == [5, 10, 12])
    #expect(train["run/options"] == [0])
    for run in ["val", "ema"] { #expect(try steps(of: "\(folder)/\(run)")["epoch/loss"] == [5, 10, 12]) }
    let hyperparameters = try steps(of: folder + "/val").filter { $0.key.hasPrefix("_hparams_/") }
    #expect(hyperparameters == ["_hparams_/experiment": [0], "_hparams_/session_end_info": [12]])
  }

  @Test(
    "After a resume at any position the steps of every tag rise, and none is missing",
    arguments: (0...2).flatMap { epoch in (0...5).map { (epoch, $0) } } + [(3, 0)])
  func resumed(_ epoch: Int, _ step: Int) throws {
    guard epoch < 2 || step <= 2 else { return }
    #expect(observe(wholeRun) == [])
    // At the last step of an epoch the checkpoint is from before its validation.
    var rest: [TrainingEvent] = [started(at: epoch, step)]
    for index in min(epoch, 2)...2 where epoch < 3 {
      let last = index == 2 ? 2 : 5
      rest += (1...last).filter { index > epoch || $0 > step }.map { stepped(index, $0) }
      rest.append(finished(index + 1))
    }
    #expect(observe(rest + [.finished(bestScore: nil, early: false)]) == [])
    let train = try steps(of: folder + "/train")
    #expect(train["loss/total"] == Array(1...12))
    #expect(train["epoch/loss"] == [5, 10, 12])
    let done = min(5 * epoch + step, 12)
    #expect(train["run/options"] == (done == 0 ? [0] : [0, done]))
    for run in ["val", "ema"] { #expect(try steps(of: "\(folder)/\(run)")["epoch/loss"] == [5, 10, 12]) }
    let val = try steps(of: folder + "/val")
    #expect(val["_hparams_/experiment"] == [done] && val["_hparams_/session_end_info"] == [12])
  }

  @Test("A folder that cannot be written is one line; its values are kept, and written when it can be again")
  func cannotWrite() throws {
    let fails = Mutex(true)
    let fileSystem = FileSystem { operation, path in
      if fails.withLock({ $0 }), operation == .write { throw FileError(path, operation, errno: ENOSPC) }
    }
    var warnings: [String] = []
    let files = TensorBoardFiles(
      folder: folder, TrainingOptions(), warn: { warnings.append($0) }, now: { 1_700_000_000 }, fileSystem: fileSystem)
    for event in [started(at: 0, 0), stepped(0, 1), stepped(0, 2)] { files.observe(event) }
    #expect(warnings.count == 1)
    #expect(warnings.first?.hasPrefix("\(folder)/train/events.out.tfevents.1700000000.") == true)
    #expect(warnings.first?.contains("No space left on device; make room on that disk; training goes on") == true)
    fails.withLock { $0 = false }
    files.observe(stepped(0, 3))
    #expect(warnings.count == 2 && warnings.last == "\(folder): is written again")
    #expect(try steps(of: folder + "/train")["loss/total"] == [1, 2, 3])
  }

  @Test("Epochs that were not written are written from the checkpoint, and no others again")
  func restored() throws {
    // Killed between the checkpoint of the first epoch and its figures.
    #expect(observe([started(at: 0, 0)] + (1...5).map { stepped(0, $0) }) == [])
    #expect(observe([started(at: 1, 0, epochs: [report(1)]), stepped(1, 1)]) == [])
    #expect(observe([started(at: 1, 1, epochs: [report(1)]), stepped(1, 2)]) == [])
    for run in ["train", "val", "ema"] { #expect(try steps(of: "\(folder)/\(run)")["epoch/loss"] == [5]) }
    #expect(try steps(of: folder + "/train")["loss/total"] == Array(1...7))
  }

  @Test("A run that is stopped while the folder cannot be written says that its last curves are missing")
  func stoppedOnFullDisk() {
    let fileSystem = FileSystem { operation, path in
      if operation == .write { throw FileError(path, operation, errno: ENOSPC) }
    }
    let warnings = observe(
      [started(at: 0, 0), stepped(0, 1), .stopped(status: 75, checkpoint: "c")], fileSystem: fileSystem)
    #expect(warnings.count == 2 && warnings.last == "\(folder): the last curves are not written")
  }

  @Test("A run that ends with an error says so, and one that is stopped is still running")
  func status() throws {
    #expect(observe([started(at: 0, 0), stepped(0, 1), .stopped(status: 75, checkpoint: "c")]) == [])
    #expect(try steps(of: folder + "/val")["_hparams_/session_end_info"] == nil)
    #expect(observe([started(at: 0, 1), stepped(0, 2), .failed]) == [])
    #expect(try steps(of: folder + "/val")["_hparams_/session_end_info"] == [12])
  }

  @Test("The file of options holds what is not the default, as words that --config takes for flags")
  func configuration() {
    var options = TrainingOptions()
    func lines() -> [Substring] {
      options.configuration.split(separator: "\n").filter { $0.hasPrefix("tensorboard") }
    }
    #expect(lines() == ["tensorboard-images-every: 10"])
    options.tensorBoard.histograms = true
    #expect(lines() == ["tensorboard-images-every: 10", "tensorboard-histograms: true"])
    options.tensorBoard = TensorBoardOptions()
    options.tensorBoard.isOn = false
    #expect(lines() == ["tensorboard: false", "tensorboard-images-every: 10"])
  }

  @Test("Every option that shapes a training is a column of the table of options")
  func columns() throws {
    var options = TrainingOptions()
    options.batchNormGroup = 2
    options.earlyStop = 3
    options.schedule.warmupStart = 0.1
    options.schedule.baseBatchSize = 8
    options.optimizer.rule = .lars
    options.optimizer.clipNorm = 1
    options.optimizer.noDecay = [.norm]
    options.optimizer.emaDecay = 0.9
    options.augmentationOptions.blur = try BlurRange(parsing: "0.1..1")
    options.augmentationOptions.distortion = try ColorDistortion(parsing: "hue=18")
    options.augmentationOptions.classUniform = 0.5
    options.loss.kind = .full
    options.loss.classWeights = .split
    options.loss.mining = .init(threshold: 0.7, minimumKept: 1000)
    var byStep = options
    byStep.steps = 100
    let columns = TensorBoardFiles.columns
    let names = columns.map(\.name)
    #expect(Set((options.shaping + byStep.shaping).map { String($0.option.dropFirst(2)) }) == Set(names))
    #expect(Set(names).count == names.count)
    for (option, value) in options.shaping + byStep.shaping {
      let column = try #require(columns.first { $0.name == option.dropFirst(2) })
      #expect(!column.isNumber || Double(value) != nil, "\(option) \(value)")
    }
  }
}

extension Trainings {
  @Suite("TensorBoard shows a training", .enabled(if: python.isAvailable, "\(python.need)"))
  struct TensorBoardTests {
    /// A tag in a run.
    private struct Curve: Decodable {
      let plugin: String
      let steps: [Int]
      let values: [Double]?

      private enum Key: String, CodingKey { case plugin, steps, values }

      init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        plugin = try container.decode(String.self, forKey: .plugin)
        steps = try container.decode([Int].self, forKey: .steps)
        values = plugin == "scalars" ? try container.decode([Double].self, forKey: .values) : nil
      }
    }

    /// What TensorBoard reads, by run and tag.
    ///
    /// - Parameter how: `loader` or `server`.
    private func read(_ run: TrainingRun, by how: String) throws -> [String: [String: Curve]] {
      let job = try python.run(
        "../TensorBoardTests/tensorboard_reads.py", [how, run.folder + "/resnet50_24_40/tensorboard"])
      try #require(job.status == 0, "\(job.errors)")
      let answer = try JSONSerialization.jsonObject(with: Data(job.output.joined().utf8)) as? [String: Any] ?? [:]
      let runs = try JSONSerialization.data(withJSONObject: answer.filter { !$0.key.hasPrefix("(") })
      return try JSONDecoder().decode([String: [String: Curve]].self, from: runs)
    }

    private static let timed = ["time/", "speed/"]

    /// Expects the same curves, except for times.
    private func expectSame(_ some: [String: [String: Curve]], _ others: [String: [String: Curve]], _ how: String) {
      #expect(Set(some.keys) == Set(others.keys))
      for (run, tags) in some {
        for (tag, curve) in tags where curve.plugin == "scalars" {
          let other = others[run]?[tag]
          #expect(curve.steps == other?.steps, "\(how) \(run) \(tag)")
          if !Self.timed.contains(where: tag.hasPrefix) {
            #expect(curve.values == other?.values, "\(how) \(run) \(tag)")
          }
        }
      }
    }

    @Test("Stopped in an epoch and before a validation, and resumed, it has the curves of an uninterrupted one")
    func resumed() throws {
      let straight = try Trainings.straight.get()
      let run = try TrainingRun("curves")
      defer { run.remove() }
      for options in [["--stop-after", "3"], ["--stop-after", "4"], []] {
        let job = try run.train(["--resume", "auto", "--keep", "9"] + options)
        #expect(job.status == 0, "\(job.errors)")
      }
      for how in ["loader", "server"] {
        let curves = try read(run, by: how)
        #expect(curves["train"]?["loss/total"]?.steps == Array(1...10))
        #expect(curves["train"]?["loss/total"]?.values?.count == 10)
        #expect(curves["train"]?["epoch/loss"]?.steps == [5, 10])
        #expect(curves["val"]?["mean_iou/class"]?.steps == [5, 10])
        #expect(curves["val"]?["iou/road"]?.steps == [5, 10])
        // The third process shows image and ground truth again.
        let panels = curves["val"]?.filter { $0.value.plugin == "images" } ?? [:]
        #expect(panels.count == 3 * 6, "\(panels.keys)")
        for (tag, panel) in panels { #expect(panel.steps == [5, 10] || tag.contains("/1 ") || tag.contains("/2 ")) }
        expectSame(curves, try read(straight, by: how), how)
      }
      // The whole training is there: from the middle on again.
      let job = try run.train("--resume", run.checkpoint(3), "--keep", "9", "--stop-after", "1")
      #expect(job.status == 0, "\(job.errors)")
      for how in ["loader", "server"] {
        let curves = try read(run, by: how)
        #expect(curves["train"]?["loss/total"]?.steps == Array(1...4))
        #expect(curves["train"]?["epoch/loss"] == nil)
        #expect(curves["val"]?["mean_iou/class"] == nil)
      }
    }

    @Test(
      "On two ranks, with an average of the weights and histograms: the same curves, every parameter, and the images",
      .enabled(if: python.isAvailable, "\(python.need)"))
    func ranks() throws {
      var runs: [[String: [String: Curve]]] = []
      for ranks in [1, 2] {
        let run = try TrainingRun("histograms", on: Trainings.fewStreets.get())
        defer { run.remove() }
        let job = try run.train(
          ranks: ranks, "--ema-decay", "0.5", "--tensorboard-histograms", "--tensorboard-images-every", "1", "--test",
          "never")
        #expect(job.status == 0, "\(job.errors)")
        runs.append(try read(run, by: "loader"))
      }
      expectSame(runs[0], runs[1], "loader")
      #expect(runs[0]["ema"]?["mean_iou/class"]?.steps == [2, 4])
      let histograms = runs[1]["train"]?.filter { $0.value.plugin == "histograms" } ?? [:]
      #expect(histograms["parameters/shape_stream.gate.weight"]?.steps == [2, 4])
      #expect(histograms["gradients/shape_stream.gate.weight"]?.steps == [2, 4])
      #expect(histograms.count == 2 * GatedSCNN(.resnet50, seed: 1).store.parameters.count)
      let panels = runs[1]["val"]?.filter { $0.value.plugin == "images" } ?? [:]
      #expect(panels.count == 6)
      #expect(panels.first { $0.key.hasSuffix("/3 prediction") }?.value.steps == [2, 4])
    }
  }

  @Suite("Event files of a training")
  struct EventFileTests {
    @Test("With --no-tensorboard there are none, and everything else has the same bytes")
    func off() throws {
      let run = try TrainingRun("no-tensorboard")
      defer { run.remove() }
      let job = try run.train("--keep", "1", "--no-tensorboard")
      #expect(job.status == 0, "\(job.errors)")
      #expect(!FileSystem.exists(run.folder + "/resnet50_24_40/tensorboard"))
      #expect(run.lines(run.optionsFile).contains("tensorboard: false"))
      try run.expectSame(as: Trainings.straight.get())
      let again = try TrainingRun("no-tensorboard")
      defer { again.remove() }
      #expect(
        try again.train("--config", run.optionsFile, "--save-path", again.folder, "--stop-after", "1").status == 0)
      #expect(!FileSystem.exists(again.folder + "/resnet50_24_40/tensorboard"))
    }

    @Test(
      "A disk that is full is one line, and costs neither figures nor the model",
      .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
    func fullDisk() throws {
      let run = try TrainingRun("no-curves")
      defer { run.remove() }
      // The options fit, the images do not.
      let disk = try TinyDisk(kilobytes: 16)
      try disk.move(to: run.folder + "/resnet50_24_40/tensorboard")
      let job = try run.train("--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      let warnings = job.errors.filter { $0.contains("/tensorboard") && $0.contains("training goes on") }
      #expect(warnings.count == 1, "\(job.errors)")
      #expect(warnings.first?.contains("No space left on device; make room on that disk") == true)
      #expect(job.errors.contains { $0.hasSuffix("/tensorboard: the last curves are not written") }, "\(job.errors)")
      let straight = try Trainings.straight.get()
      #expect(run.statistics == straight.statistics)
      #expect(FileManager.default.contentsEqual(atPath: run.model, andPath: straight.model))
    }
  }
}
