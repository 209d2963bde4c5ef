import Foundation
import Jobs
import Testing

/// The tests that train; they run one after another.
@Suite("Training", .serialized)
enum Trainings {
  /// 21 images: five steps per epoch, and one image is left over.
  static let streets = Result { try RunFolder.streets(train: 21, val: 3) }
  /// Two steps per epoch.
  static let fewStreets = Result { try RunFolder.streets(train: 8, val: 1) }
  /// The reference for all others: two epochs of five steps on one rank with one thread, uninterrupted.
  static let straight = Result {
    let run = try TrainingRun("straight")
    let job = try run.train("--keep", "1")
    guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
    return run
  }
  /// A single step on `fewStreets`.
  static let oneStep = Result {
    let run = try TrainingRun("one-step", on: fewStreets.get())
    let job = try run.train("--stop-after", "1")
    guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
    return run
  }
}

/// The tests of runs that fail on purpose. They run beside those of `Trainings`, one after another as well.
@Suite("Failing trainings", .serialized)
enum Failures {}

/// A run of `gscnn train` with crops of 24×40 and batches of four, and the files that it writes.
struct TrainingRun: Sendable {
  struct Failed: Error { let errors: [String] }

  let data: String
  let folder: String

  init(_ name: String, on data: String? = nil) throws {
    self.data = try data ?? Trainings.streets.get()
    folder = try RunFolder.new(name)
  }

  /// A run in a folder of its own, below one that exists.
  init(_ name: String, in parent: String) throws {
    data = try Trainings.streets.get()
    folder = parent + "/" + name
  }

  /// Starts the program, alone or under `mpirun`.
  ///
  /// - Parameters:
  ///   - options: appended, so that they override the common ones.
  ///   - fault: a fault on purpose (`Fault`).
  func train(
    ranks: Int? = nil, _ options: String..., meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    try train(ranks: ranks, options, meanwhile: meanwhile)
  }

  func train(
    ranks: Int? = nil, _ options: [String], under wrapper: [String] = [], fault: String? = nil,
    meanwhile: (RunningJob) throws -> Void = { _ in }
  ) throws -> Job {
    let call = [
      "train", "--data-path", data, "--save-path", folder, "--crop-h", "24", "--crop-w", "40", "--batch-size", "4",
      "--threads", "1", "--log-every", "1",
    ]
    let length = options.contains("--max-steps") ? [] : ["--epochs", "2"]
    return try Job.run(
      "gscnn", call + length + options, ranks: ranks, under: wrapper,
      environment: fault.map { ["GSCNN_FAULT": $0] } ?? [:],
      mpirun: ["--quiet", "--mca", "mpi_yield_when_idle", "1"], limit: 600, meanwhile: meanwhile)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }

  // MARK: - Its files

  private var prefix: String { folder + "/resnet50_24_40" }
  var model: String { prefix + "_model.safetensors" }
  var averageModel: String { prefix + "_ema_model.safetensors" }
  var optionsFile: String { prefix + "_options.yaml" }
  var statisticsPath: String { prefix + "_statistics.csv" }
  var checkpoints: String { prefix + "/checkpoints" }

  /// The lines of `P_steps.csv` without the last columns, speed and times.
  var steps: [String] { lines(prefix + "_steps.csv", timings: 6) }

  /// The lines of `P_statistics.csv` without the columns of duration and speed.
  var statistics: [String] {
    lines(statisticsPath).map { line in
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      return (fields.prefix(12) + fields.dropFirst(14)).joined(separator: ",")
    }
  }

  private func lines(_ path: String, timings: Int) -> [String] {
    lines(path).map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).dropLast(timings).joined(separator: ",")
    }
  }

  func lines(_ path: String) -> [String] {
    ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
  }

  /// The total loss of each step.
  var losses: [Double] { steps.dropFirst().compactMap { Double($0.split(separator: ",")[2]) } }

  /// The steps after which there is a checkpoint.
  var savedSteps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }.sorted()
  }

  func checkpoint(_ step: Int) -> String { checkpoints + "/step-" + String(format: "%08d", step) }

  func predictions(_ split: String) throws -> [String: Data] {
    try Self.files(in: "\(prefix)/\(split)")
  }

  /// The contents of the files in a folder, by name.
  static func files(in folder: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) })
  }

  /// Expects the same metrics, predictions and weights as of another run, bit for bit.
  func expectSame(as other: TrainingRun, at location: SourceLocation = #_sourceLocation) throws {
    #expect(steps == other.steps, sourceLocation: location)
    #expect(statistics == other.statistics, sourceLocation: location)
    for split in ["val", "test"] {
      let (mine, others) = (try predictions(split), try other.predictions(split))
      #expect(mine == others, "predictions of \(split)", sourceLocation: location)
    }
    #expect(savedSteps.last == other.savedSteps.last, sourceLocation: location)
    let last = checkpoint(savedSteps.last ?? 0)
    let otherLast = other.checkpoint(other.savedSteps.last ?? 0)
    for (mine, others) in [
      (model, other.model), (last + "/model.safetensors", otherLast + "/model.safetensors"),
      (last + "/momentum.safetensors", otherLast + "/momentum.safetensors"),
    ] {
      #expect(
        FileManager.default.contentsEqual(atPath: mine, andPath: others), "\(mine) and \(others)",
        sourceLocation: location)
    }
  }
}
