import Distributed

/// An option with a value that cannot be used, and what to give instead. Thrown by every rank, or by rank 0 alone.
package struct OptionError: CollectiveError, CustomStringConvertible, Equatable {
  package let option: String
  package let value: String
  package let remedy: String

  /// - Parameter remedy: what is wrong with the value, unless that is obvious, and what to give instead.
  package init(_ option: String, _ value: some CustomStringConvertible, _ remedy: String) {
    self.option = option
    self.value = value.description
    self.remedy = remedy
  }

  package var description: String { "\(option) \(value): \(remedy)" }
}

/// A run that cannot continue: one line that names the file or folder and says what to do. Thrown by every rank, or by
/// rank 0 alone.
package struct TrainingError: CollectiveError, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// What was infinite or not a number in a training step.
package enum NonFiniteValue: CollectiveError, CustomStringConvertible, Equatable {
  case loss(Double)
  /// A running mean or variance of batch norm.
  case statistic(String)
  case gradient(String)
  case parameter(String)

  /// The update is already applied then.
  package var isInParameters: Bool { if case .parameter = self { true } else { false } }

  package var description: String {
    switch self {
    case .loss(let value): "the loss is \(value.isNaN ? "nan" : "\(value)")"
    case .statistic(let name): "the running statistic \(name) is not finite"
    case .gradient(let name): "the gradient of \(name) is not finite"
    case .parameter(let name): "the update makes \(name) infinite or not a number"
    }
  }
}

/// A step that ends the run because something in it was infinite or not a number.
package struct NonFiniteStepError: CollectiveError, CustomStringConvertible, Equatable {
  /// The steps done before this one.
  package let position: Position
  package let value: NonFiniteValue
  /// Paths of the images of the global batch.
  package let images: [String]
  /// Steps skipped just before this one.
  package let skipped: Int
  /// Whether the run has a checkpoint.
  package let isSaved: Bool
  /// The newest checkpoint from which another learning rate may lead elsewhere.
  package let checkpoint: String?

  package var findings: [String] {
    images.map { "\($0): in the batch of this step" }
  }

  package var description: String {
    let lower =
      checkpoint.map { "continue from an earlier checkpoint with a lower --learning-rate and --resume \($0)" }
      ?? "start again with a lower --learning-rate and another --save-path"
    let skip =
      skipped == 0 && !value.isInParameters
      ? ", or leave out such steps with \(isSaved ? "--resume auto " : "")--on-nonfinite skip" : ""
    return "epoch \(position.epoch + 1), step \(position.step + 1): \(value)"
      + (skipped == 0 ? "" : ", after \(skipped) skipped \(skipped == 1 ? "step" : "steps") in a row")
      + "; the step is not saved; \(lower)\(skip)"
  }
}
