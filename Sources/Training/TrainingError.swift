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

/// The loss is infinite or not a number.
package struct NonFiniteLossError: CollectiveError, CustomStringConvertible, Equatable {
  /// The steps done before this one.
  package let position: Position
  package let loss: Double

  package var description: String {
    "epoch \(position.epoch + 1), step \(position.step + 1): the loss is \(loss); "
      + "start again with a lower --learning-rate, or resume from an earlier checkpoint with --resume"
  }
}
