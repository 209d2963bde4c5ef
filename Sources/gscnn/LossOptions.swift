import ArgumentParser
import GatedSCNN
import Kernels

/// The loss that a training minimizes.
struct LossOptions: ParsableArguments {
  @Option(
    help: .value(
      "kind",
      "standard: semantic, edge and task loss, as the reference implementation; full: the paper's dual-task loss as well."
    ))
  var loss = JointLoss.Configuration.Kind.standard

  @Option(
    parsing: .unconditional,
    help: .value(
      "weights",
      "Weight of each class in the semantic and the task loss, separated by commas, in the order of the train ids; or split: 1 / ln(1.02 + share of the class in the training split), as ENet (default: 1 each)."
    ), transform: JointLoss.Configuration.ClassWeights.init(argument:))
  var classWeights: JointLoss.Configuration.ClassWeights?

  @Option(
    parsing: .unconditional,
    help: .value(
      "threshold[,pixels]",
      "Online hard example mining: the semantic loss counts the pixels of an image whose class is predicted with a probability below the threshold, for example 0.7, and at least its hardest 100000 pixels, or the number given (default: all pixels)."
    ), transform: HardExampleMining.init(argument:))
  var ohem: HardExampleMining?

  @Option(
    help: .value(
      "variant",
      "Dual-task loss of --loss full: that of PaddleSeg, of the authors' released code, or of the paper (default: paddle)."
    ))
  var dualTask: DualTaskLoss.Variant?

  @Option(
    in: 0.01...100,
    help: .value("number", "Temperature of the Gumbel-softmax in the dual-task loss (default: 0.5; paper: 1)."))
  var dualTaskTemperature: Double?

  @Option(in: 0...1e6, help: .value("factor", "Weight of the dual-task loss of --loss full (default: 1)."))
  var dualTaskWeight: Double?

  /// The options of the dual-task loss may be given with the standard loss too, which ignores them: a recipe can then be
  /// tried without it.
  var configuration: JointLoss.Configuration {
    var configuration = JointLoss.Configuration()
    configuration.kind = loss
    configuration.classWeights = classWeights
    configuration.mining = ohem
    guard loss == .full else { return configuration }
    if let dualTask { configuration.dualTask.variant = dualTask }
    configuration.dualTask.temperature = dualTaskTemperature ?? configuration.dualTask.resolvedTemperature
    if let dualTaskWeight { configuration.dualTask.weight = dualTaskWeight }
    return configuration
  }
}

extension JointLoss.Configuration.Kind: ExpressibleByArgument {}
extension DualTaskLoss.Variant: ExpressibleByArgument {}

extension JointLoss.Configuration.ClassWeights {
  /// Parses text like 1,2.5,0.75 or the word split. Their number is compared with that of the classes later.
  fileprivate init(argument text: String) throws {
    guard text != "split" else {
      self = .split
      return
    }
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let weights = words.compactMap { Double($0) }
    guard weights.count == words.count, weights.allSatisfy({ $0 == 0 || (1e-6...1e6).contains($0) }),
      weights.contains(where: { $0 > 0 })
    else {
      throw ValidationError(
        "give 0 or a number from 0.000001 to 1000000 for each class, not all 0, for example 1,2.5,0.75, or split")
    }
    self = .given(weights)
  }
}

extension HardExampleMining {
  /// Parses text like 0.7 or 0.7,100000.
  fileprivate init(argument text: String) throws {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let defaults = HardExampleMining()
    guard (1...2).contains(words.count), let threshold = Double(words[0]), threshold > 0, threshold <= 1,
      let minimumKept = words.count == 1 ? defaults.minimumKept : Int(words[1]), (0...1 << 30).contains(minimumKept)
    else {
      throw ValidationError(
        "give a probability above 0, up to 1, and perhaps a number of pixels, for example 0.7,100000")
    }
    self.init(threshold: threshold, minimumKept: minimumKept)
  }
}
