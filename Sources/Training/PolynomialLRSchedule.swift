import Foundation

/// The learning-rate schedule: polynomial decay, start · (1 − epoch / epochs)^power, updated once an epoch.
package struct PolynomialLRSchedule: Sendable, Equatable {
  /// Learning rate of the first epoch.
  package let start: Double
  package let epochs: Int
  package let power: Double

  package init(start: Double = 0.01, epochs: Int, power: Double = 1) {
    self.start = start
    self.epochs = epochs
    self.power = power
  }

  /// The learning rate of an epoch, counted from 0.
  package func learningRate(epoch: Int) -> Double { start * pow(1 - Double(epoch) / Double(epochs), power) }
}
