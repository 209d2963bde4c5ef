import Foundation

/// The learning rate of each step: a linear warm-up (PyTorch's `LinearLR`), then polynomial decay
///
///     final + (start − final) · (1 − p)^power
///
/// where p is the finished part of the training: of its epochs, or of its steps after the warm-up.
package struct LearningRateSchedule: Sendable, Equatable {
  /// At the beginning, or at the end of the warm-up.
  package let start: Double
  package let power: Double
  package let options: ScheduleOptions
  package let length: TrainingLength

  package init(
    start: Double, power: Double = 1, _ length: TrainingLength, _ options: ScheduleOptions = ScheduleOptions()
  ) {
    self.start = start
    self.power = power
    self.options = options
    self.length = length
  }

  /// The learning rate of a step, counted from 0.
  package func learningRate(step: Int) -> Double {
    let warmup = options.warmupSteps
    if step < warmup {
      let first = options.warmupStart ?? start / 10
      return first + (start - first) * Double(step) / Double(warmup)
    }
    let progress =
      switch options.unit {
      case .epoch: Double(step / length.stepsPerEpoch) / Double(length.epochs)
      case .step: Double(step - warmup) / Double(max(length.steps - warmup, 1))
      }
    return options.finalRate + (start - options.finalRate) * pow(1 - progress, power)
  }
}

/// How long a run trains.
package struct TrainingLength: Sendable, Equatable {
  package let stepsPerEpoch: Int
  /// In all.
  package let steps: Int

  package init(stepsPerEpoch: Int, epochs: Int) {
    self.stepsPerEpoch = stepsPerEpoch
    steps = stepsPerEpoch * epochs
  }

  package init(stepsPerEpoch: Int, steps: Int) {
    self.stepsPerEpoch = stepsPerEpoch
    self.steps = steps
  }

  /// Epochs, of which the last may end before its last step.
  package var epochs: Int { (steps + stepsPerEpoch - 1) / stepsPerEpoch }
}
