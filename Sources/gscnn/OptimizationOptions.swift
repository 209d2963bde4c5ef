import ArgumentParser
import Training

/// The optimizer and the learning rate.
struct OptimizationOptions: ParsableArguments {
  @Option(in: 0...1000, help: .value("rate", "Learning rate at the start of its decay."))
  var learningRate = defaults.learningRate

  @Option(
    in: .count,
    help: .value(
      "images", "Batch that --learning-rate is meant for: other batches scale it linearly (default: not scaled)."))
  var baseBatchSize: Int?

  @Option(
    help: .value("unit", "Whether the learning rate decays, always polynomially, after each epoch or after each step."))
  var schedule = defaults.schedule.unit

  @Option(
    in: 0...100,
    help: .value("exponent", "The learning rate decays as (1 - finished part of the training) to this power."))
  var power = defaults.power

  @Option(in: 0...1000, help: .value("rate", "Learning rate at the end of the training."))
  var finalLearningRate = defaults.schedule.finalRate

  @Option(in: 0...1_000_000_000, help: .value("steps", "Steps in which the learning rate rises linearly to its start."))
  var warmupSteps = defaults.schedule.warmupSteps

  @Option(
    in: 0...1000,
    help: .value("rate", "Learning rate of the first step of the warm-up (default: a tenth of that at its end)."))
  var warmupStartLr: Double?

  @Option(
    help: .value(
      "name", "Stochastic gradient descent, or LARS, which scales it for each tensor: for batches of 128 and more."))
  var optimizer = defaults.optimizer.rule

  @Option(in: 0...0.999999, help: .value("factor", "Momentum of SGD."))
  var momentum = defaults.momentum

  @Option(in: 0...1, help: .value("factor", "Weight decay of SGD."))
  var weightDecay = defaults.weightDecay

  @Option(
    help: .value(
      "kinds", "Parameters without weight decay: norm, bias, or both as norm,bias (default: every parameter decays)."),
    transform: Undecayed.init(argument:))
  var noDecay = Undecayed(kinds: [])

  @Option(in: 0...1000, help: .value("factor", "Factor of the learning rate of the backbone."))
  var backboneLrFactor = defaults.optimizer.backboneFactor

  @Option(in: 0...1000, help: .value("factor", "Factor of the learning rate of all layers but the backbone."))
  var headLrFactor = defaults.optimizer.headFactor

  @Option(in: 1e-6...1, help: .value("factor", "LARS: ratio of the norms of update and weights at learning rate 1."))
  var trustCoefficient = defaults.optimizer.trustCoefficient

  @Option(
    in: 1e-6...1e9,
    help: .value("norm", "Scale gradients down to this global norm if theirs is larger (default: none)."))
  var clipNorm: Double?

  @Option(
    in: 1...65536,
    help: .value(
      "number", "Batches per step, one after another, of --batch-size images each; batch norm is that of each batch."))
  var accumulate = defaults.optimizer.accumulate

  @Option(
    in: 0...0.9999999,
    help: .value(
      "factor",
      "Average the weights exponentially with this decay; the average is validated and saved beside the model (default: none)."
    ))
  var emaDecay: Double?

  func set(_ options: inout TrainingOptions) {
    options.learningRate = learningRate
    options.momentum = momentum
    options.weightDecay = weightDecay
    options.power = power
    options.schedule.unit = schedule
    options.schedule.finalRate = finalLearningRate
    options.schedule.warmupSteps = warmupSteps
    options.schedule.warmupStart = warmupStartLr
    options.schedule.baseBatchSize = baseBatchSize
    options.optimizer.rule = optimizer
    options.optimizer.trustCoefficient = trustCoefficient
    options.optimizer.clipNorm = clipNorm
    options.optimizer.noDecay = noDecay.kinds
    options.optimizer.backboneFactor = backboneLrFactor
    options.optimizer.headFactor = headLrFactor
    options.optimizer.accumulate = accumulate
    options.optimizer.emaDecay = emaDecay
  }
}

/// Kinds of parameters, parsed from text like norm,bias.
struct Undecayed {
  let kinds: [OptimizerOptions.Undecayed]

  init(kinds: [OptimizerOptions.Undecayed]) { self.kinds = kinds }

  init(argument text: String) throws {
    let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let named = words.compactMap(OptimizerOptions.Undecayed.init)
    guard named.count == words.count, Set(named).count == named.count else {
      throw ValidationError("give norm, bias, or norm,bias")
    }
    kinds = OptimizerOptions.Undecayed.allCases.filter(named.contains)
  }
}

extension OptimizerOptions.Rule: ExpressibleByArgument {}
extension ScheduleOptions.Unit: ExpressibleByArgument {}
extension BestFigure: ExpressibleByArgument {}
