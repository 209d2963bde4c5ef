import Foundation
import Kernels

extension JointLoss {
  /// Which loss a training minimizes. By default that of the reference implementation.
  package struct Configuration: Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
      /// Semantic, edge and task loss.
      case standard
      /// With the dual-task loss as well: both terms of the paper's regularizer.
      case full
    }

    /// Weights of the classes in the semantic and the task loss.
    package enum ClassWeights: Codable, Sendable, Equatable {
      /// In the order of the train ids, none negative.
      case given([Double])
      /// From the shares of the classes in the training split.
      case split
    }

    /// Constants of the dual-task loss.
    package struct DualTask: Codable, Sendable, Equatable {
      package var variant = DualTaskLoss.Variant.paddle
      /// Of the Gumbel-softmax; nil: that of the variant.
      package var temperature: Double?
      /// In the total.
      package var weight = 1.0

      package init() {}

      /// The temperature in use.
      package var resolvedTemperature: Double { temperature ?? (variant == .paper ? 1 : 0.5) }
    }

    package var kind = Kind.standard
    /// nil: 1 for each class.
    package var classWeights: ClassWeights?
    /// nil: the semantic loss counts every valid pixel.
    package var mining: HardExampleMining?
    /// Used by `Kind.full` only.
    package var dualTask = DualTask()

    package init() {}

    /// The options of the command line that give this configuration; those that are off are left out.
    package var settings: [(option: String, value: String)] {
      var settings = [("--loss", kind.rawValue)]
      switch classWeights {
      case .given(let weights): settings.append(("--class-weights", weights.map { "\($0)" }.joined(separator: ",")))
      case .split: settings.append(("--class-weights", "split"))
      case nil: break
      }
      if let mining { settings.append(("--ohem", "\(mining.threshold),\(mining.minimumKept)")) }
      if kind == .full {
        settings.append(("--dual-task", dualTask.variant.rawValue))
        settings.append(("--dual-task-temperature", "\(dualTask.resolvedTemperature)"))
        settings.append(("--dual-task-weight", "\(dualTask.weight)"))
      }
      return settings
    }

    /// The same with the class weights of a training split, if they are to be taken from it.
    ///
    /// - Parameter shares: of each class among the labeled pixels of the split, 0 … 1.
    package func resolved(shares: [Double]) -> Configuration {
      guard classWeights == .split else { return self }
      var resolved = self
      resolved.classWeights = .given(shares.map(Self.weight))
      return resolved
    }

    /// The class weight of ENet (Paszke, Chaurasia, Kim and Culurciello 2016): 50.5 for a class that does not occur, 1.42
    /// for the only one.
    ///
    /// - Parameter share: of a class in the pixels.
    package static func weight(share: Double) -> Double { 1 / log(1.02 + share) }

    /// The constants of the standard terms.
    ///
    /// The class weights must be resolved.
    var options: Losses.Options {
      let constants = JointLoss.options
      var weights: [Double]?
      switch classWeights {
      case .given(let given): weights = given
      case .split: preconditionFailure("the class weights of the split are not known yet")
      case nil: break
      }
      return Losses.Options(
        ignoreIndex: constants.ignoreIndex, edgeThreshold: constants.edgeThreshold, edgeWeight: constants.edgeWeight,
        classWeights: weights, mining: mining)
    }

    /// The constants of the dual-task loss; nil if it is not used.
    var dualTaskOptions: DualTaskLoss.Options? {
      guard kind == .full else { return nil }
      return DualTaskLoss.Options(
        dualTask.variant, temperature: Float(dualTask.resolvedTemperature), ignoreIndex: JointLoss.options.ignoreIndex)
    }
  }
}
