/// What the optimizer does beyond learning rate, momentum and weight decay. The defaults are those of plain SGD.
package struct OptimizerOptions: Codable, Sendable, Equatable {
  package enum Rule: String, Codable, Sendable, CaseIterable {
    /// Stochastic gradient descent with momentum.
    case sgd
    /// SGD whose gradients are scaled for each tensor (You, Gitman and Ginsburg: Large batch training of convolutional
    /// networks, 2017), for batches of 128 and more.
    case lars
  }

  /// Parameters that are not subject to weight decay, nor to the scaling of LARS.
  package enum Undecayed: String, Codable, Sendable, CaseIterable {
    /// Scale and shift of batch norm.
    case norm
    /// Biases, those of batch norm included.
    case bias
  }

  package var rule = Rule.sgd
  /// η of LARS.
  package var trustCoefficient = 0.001
  /// Gradients with a larger global norm are scaled down to it; `nil`: none are.
  package var clipNorm: Double?
  package var noDecay: [Undecayed] = []
  /// Factors of the learning rate: of the backbone, and of all other layers.
  package var backboneFactor = 1.0
  package var headFactor = 1.0
  /// Forward and backward passes of a step, each of a batch; their mean gradient is applied.
  package var accumulate = 1
  /// Decay of the exponential moving average of the weights; `nil`: there is no average.
  package var emaDecay: Double?

  package init() {}

  /// The options with the text that the command line takes for them; those that are off are left out.
  package var settings: [(option: String, value: String)] {
    var settings = [("--optimizer", rule.rawValue)]
    if rule == .lars { settings.append(("--trust-coefficient", "\(trustCoefficient)")) }
    if let clipNorm { settings.append(("--clip-norm", "\(clipNorm)")) }
    if !noDecay.isEmpty { settings.append(("--no-decay", noDecay.map(\.rawValue).joined(separator: ","))) }
    settings.append(("--backbone-lr-factor", "\(backboneFactor)"))
    settings.append(("--head-lr-factor", "\(headFactor)"))
    settings.append(("--accumulate", "\(accumulate)"))
    if let emaDecay { settings.append(("--ema-decay", "\(emaDecay)")) }
    return settings
  }

  /// Those that may change at a checkpoint that is named.
  static let changeable: Set = [
    "--optimizer", "--trust-coefficient", "--clip-norm", "--no-decay", "--backbone-lr-factor", "--head-lr-factor",
    "--ema-decay",
  ]
}

/// How the learning rate changes. The defaults are those of the reference implementation.
package struct ScheduleOptions: Codable, Sendable, Equatable {
  package enum Unit: String, Codable, Sendable, CaseIterable {
    case epoch, step
  }

  /// When the rate decays.
  package var unit = Unit.epoch
  /// The rate at the end.
  package var finalRate = 0.0
  /// Steps in which the rate rises to its start.
  package var warmupSteps = 0
  /// The rate of the first step of the warm-up; `nil`: a tenth of the rate at its end.
  package var warmupStart: Double?
  /// The batch that the learning rate is meant for: another one scales it linearly. `nil`: the rate is as given.
  package var baseBatchSize: Int?

  package init() {}

  package var settings: [(option: String, value: String)] {
    var settings = [
      ("--schedule", unit.rawValue), ("--final-learning-rate", "\(finalRate)"), ("--warmup-steps", "\(warmupSteps)"),
    ]
    if let warmupStart { settings.append(("--warmup-start-lr", "\(warmupStart)")) }
    if let baseBatchSize { settings.append(("--base-batch-size", "\(baseBatchSize)")) }
    return settings
  }

  static let changeable: Set = [
    "--schedule", "--final-learning-rate", "--warmup-steps", "--warmup-start-lr", "--base-batch-size",
  ]
}
