import Cityscapes
import Foundation
import GatedSCNN
import Metrics
import Microkernels
import System
import Tensors
import Weights

/// The state of a run besides its tensors: with both, a resumed run continues bit-identically.
package struct TrainingState: Codable, Sendable, Equatable {
  /// The steps done. At the last step of an epoch its validation is still to come.
  package var position = Position(epoch: 0, step: 0)
  /// Steps since the first epoch.
  package var totalSteps = 0
  /// The figure of the best model so far (`TrainingOptions.bestFigure`).
  package var bestScore: Double?
  /// That of the best average of weights so far.
  package var bestAverageScore: Double?
  /// The updates in the average of weights.
  package var averageUpdates: Int?
  /// The finished epochs.
  package var epochs: [EpochReport] = []
  /// The finished part of the current epoch.
  package var running: RunningEpoch
  /// `TrainingDataset.digest` of the training images.
  package var dataDigest: UInt64?
  /// The microkernels of the last step; `nil` in checkpoints of an earlier version.
  package var instructionSet: String?
  /// The ranks of the last step, if their number makes a difference: with `--reduce bfloat16`.
  package var ranks: Int?
  /// Tells runs apart; `nil` in checkpoints of an earlier version.
  package var run: RunIdentity?
  /// The options that the run was started with; `TrainingOptions.shaping` must not change.
  package var options: TrainingOptions

  package init(options: TrainingOptions) {
    self.options = options
    running = RunningEpoch(classes: options.table.classes.count)
  }

  /// The state in a checkpoint.
  ///
  /// - Throws: `WeightsError` if it cannot be decoded, or if a value is one that no run writes.
  package init(of checkpoint: Checkpoint) throws {
    self = try checkpoint.state(as: TrainingState.self) { try $0.validate(step: checkpoint.step) }
  }

  /// The key of the best figure is that of the first checkpoint format, which had class mIoU alone.
  private enum CodingKeys: String, CodingKey {
    case position, totalSteps, bestAverageScore, averageUpdates, epochs, running, dataDigest, run, options
    case instructionSet, ranks
    case bestScore = "bestMeanIoU"
  }

  /// Whether validations without a better model have ended the training.
  var endsEarly: Bool {
    guard let patience = options.earlyStop else { return false }
    return options.bestFigure.validationsWithoutImprovement(in: epochs) >= patience
  }

  /// Whether the training has come to its end.
  var isAtEnd: Bool {
    let isLast = options.steps.map { totalSteps >= $0 } ?? (position.epoch >= options.epochs)
    return position.step == 0 && isLast || endsEarly
  }

  /// A value in a checkpoint that no run writes.
  private struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameter step: of the checkpoint, as its name says.
  private func validate(step: Int) throws {
    func require(_ isValid: Bool, _ name: String, _ value: some CustomStringConvertible) throws {
      if !isValid { throw Invalid(description: "\(name) is \(value)") }
    }
    // Far more than any run has, and far from an overflow.
    let counts = 0...1_000_000_000_000
    try require(totalSteps == step && counts.contains(step), "totalSteps", totalSteps)
    let lastEpoch = options.steps == nil ? options.epochs : totalSteps + 1
    try require(position.epoch >= 0 && position.epoch <= lastEpoch, "position.epoch", position.epoch)
    try require((0...totalSteps).contains(position.step), "position.step", position.step)
    for (name, score) in [("bestMeanIoU", bestScore), ("bestAverageScore", bestAverageScore)] {
      let isShare = options.bestFigure != .loss
      try require(score.map { $0.isFinite && (!isShare || (0...1).contains($0)) } ?? true, name, score ?? 0)
    }
    try require((0...totalSteps).contains(averageUpdates ?? 0), "averageUpdates", averageUpdates ?? 0)
    try require(epochs.map(\.epoch) == Array(1..<epochs.count + 1), "epochs", epochs.map(\.epoch))
    try require((0...totalSteps).contains(running.steps), "running.steps", running.steps)
    try require((0...totalSteps).contains(running.skipped ?? 0), "running.skipped", running.skipped ?? 0)
    try require(running.lossSum.isFinite, "running.lossSum", running.lossSum)
    try require((0...1e12).contains(running.seconds), "running.seconds", running.seconds)
    try require(
      running.confusion.classes == options.table.classes.count
        && running.confusion.counts.allSatisfy { (0...1 << 53).contains($0) }, "running.confusion", "out of range")
    if let loading = running.loading {
      try require((0...1e12).contains(loading.secondsWaited), "running.loading.secondsWaited", loading.secondsWaited)
      try require(counts.contains(loading.decoded), "running.loading.decoded", loading.decoded)
      try require(counts.contains(loading.cached), "running.loading.cached", loading.cached)
    }
  }

  /// Sums over the steps of an epoch.
  package struct RunningEpoch: Codable, Sendable, Equatable {
    package var lossSum = 0.0
    package var steps = 0
    /// Steps left out because they were not finite; `nil` in checkpoints of an earlier version.
    package var skipped: Int? = 0
    package var seconds = 0.0
    /// This rank's; `nil` in checkpoints of an earlier version.
    package var loading: Loader.Statistics? = Loader.Statistics()
    /// Of the steps on this rank; the epoch's is the sum over the ranks. Saving a checkpoint moves the sum to rank 0.
    package var confusion: ConfusionMatrix

    package init(classes: Int = GatedSCNN.cityscapesClasses) { confusion = ConfusionMatrix(classes: classes) }

    /// Adds a step's losses and time.
    package mutating func add(_ loss: JointLoss, seconds: Double) {
      lossSum += loss.total
      steps += 1
      self.seconds += seconds
    }

    /// Adds a loader's statistics.
    package mutating func add(_ statistics: Loader.Statistics) {
      let before = loading ?? Loader.Statistics()
      loading = Loader.Statistics(
        secondsWaited: before.secondsWaited + statistics.secondsWaited, decoded: before.decoded + statistics.decoded,
        cached: before.cached + statistics.cached)
    }
  }

  /// The state as JSON for another rank, which decodes it with `init(encoded:)`. Numbers that are not finite are kept.
  package func encoded() throws -> [UInt8] {
    [UInt8](try JSON.encode(self))
  }

  package init(encoded bytes: [UInt8]) throws {
    self = try JSON.decode(TrainingState.self, from: Data(bytes))
  }

  /// Refuses to resume with other images: the order of the epoch and the position in it depend on them.
  package func requireSameData(_ digest: UInt64) throws {
    guard let dataDigest, dataDigest != digest else { return }
    throw OptionError(
      "--data-path", options.dataPath,
      "the training images\(options.augmentationOptions.classUniform > 0 ? " or their labels" : "") are not those that the "
        + "checkpoint was made with; restore them, or start again in another --save-path, with --pretrained to keep the "
        + "model")
  }

  /// Refuses to resume with other values of the options that shape the training. At a checkpoint that is named, those of
  /// the optimizer may change.
  ///
  /// - Returns: the options that change, each with its new and old value.
  @discardableResult
  package func requireSameTraining(as new: TrainingOptions) throws -> [String] {
    try requireSameClasses(as: new)
    if options.length.option != new.length.option {
      throw OptionError(
        new.length.option, new.length.value,
        "the checkpoint was made with \(options.length.option) \(options.length.value); give that, or --stop-after to end "
          + "this call early, or start again in another --save-path")
    }
    let (before, after) = (options.shaping, new.shaping)
    let names = before.map(\.option) + after.map(\.option).filter { name in !before.contains { $0.option == name } }
    return try names.compactMap { option in
      let old = before.first { $0.option == option }?.value
      let changed = after.first { $0.option == option }?.value
      guard old != changed else { return nil }
      let mayChange = TrainingOptions.changeable.contains(option)
      if mayChange, case .path = new.resume {
        return "\(option) \(changed ?? "left out") instead of \(old ?? "left out")"
      }
      throw OptionError(
        option, changed ?? "left out",
        "the checkpoint was made \(old.map { "with \($0); give \(option) \($0)" } ?? "without it; leave it out"), "
          + (mayChange ? "name the checkpoint with --resume to change it from there on, " : "")
          + "or start again in another --save-path")
    }
  }
}

extension TrainingState {
  /// What a run that resumes with other microkernels is warned of; `nil` if their products have the same bits.
  package func warning(resumedWith set: InstructionSet) -> String? {
    guard let before = instructionSet, InstructionSet(rawValue: before) != set else { return nil }
    if InstructionSet(rawValue: before)?.hasSameProducts(as: set, in: options.computePrecision) == true { return nil }
    return
      "the checkpoint was made with \(before) microkernels; those of \(set.rawValue) round sums in another order, so "
      + "that the training goes on with other bits (\(InstructionSet.variable)=\(before) keeps them, where the processor can)"
  }

  /// What a run is warned of if its ranks have microkernels that round sums in different orders; `nil` if they do not.
  ///
  /// - Parameter names: of the ranks' microkernels.
  package static func warning(microkernels names: [String], in precision: Precision) -> String? {
    let sets = names.compactMap(InstructionSet.init(rawValue:))
    guard let rank = sets.firstIndex(where: { !$0.hasSameProducts(as: sets[0], in: precision) }),
      let narrowest = InstructionSet.allCases.first(where: sets.contains)
    else { return nil }
    return
      "warning: rank \(rank) has \(names[rank]) microkernels and rank 0 \(names[0]), which round sums in "
      + "another order: the bits depend on which rank has which images (\(InstructionSet.variable)=\(narrowest.rawValue) "
      + "for all ranks avoids that)"
  }

  /// What a run that resumes on another number of ranks is warned of; `nil` if that gives the same bits.
  package func warning(resumedOn count: Int) -> String? {
    guard options.gradientTransport == .bfloat16, let ranks, ranks != count else { return nil }
    return
      "the checkpoint was made on \(ranks) \(ranks == 1 ? "rank" : "ranks"); with --reduce bfloat16 another number rounds "
      + "other sums, so that the training goes on with other bits (-n \(ranks) keeps them)"
  }

  /// Refuses to resume with other classes, ids or ignored labels.
  func requireSameClasses(as new: TrainingOptions) throws {
    guard let difference = new.table.difference(from: options.table, of: "the checkpoint") else { return }
    throw OptionError(
      "--classes", new.table.name,
      "\(difference); give the classes of \(options.table.name) that the run was started with, or start again in another "
        + "--save-path")
  }
}

/// Tells a run from others with the same options. A run that continues in an empty folder is a new one.
package struct RunIdentity: Codable, Sendable, Equatable {
  /// 128 random bits in hexadecimal.
  package let id: String
  /// The run whose checkpoint it started from.
  package let parent: String?

  package init(parent: String? = nil) {
    id = (0..<2).map { _ in UInt64.random(in: 0...UInt64.max).zeroPadded(to: 16, radix: 16) }.joined()
    self.parent = parent
  }
}
