import ArgumentParser
import Cityscapes
import GatedSCNN
import Inference
import Microkernels
import System
import Tensors
import Training

extension NameSpecification {
  /// `--crop-h`, and `--crop_h` as the reference implementation spells it.
  static func kebabOrSnake(_ name: String) -> NameSpecification {
    [.customLong(name), .customLong(name.split(separator: "-").joined(separator: "_"))]
  }
}

extension ArgumentHelp {
  /// - Parameters:
  ///   - name: the placeholder for the value.
  ///   - text: what the option does.
  static func value(_ name: String, _ text: String) -> ArgumentHelp { ArgumentHelp(text, valueName: name) }

  /// For the name that an option had in an earlier version: accepted, and not shown.
  static var formerName: ArgumentHelp { ArgumentHelp(visibility: .private) }
}

/// A number on the command line, with the range that it must lie in.
typealias OptionNumber = LosslessStringConvertible & Comparable & Sendable

extension Option where Value: OptionNumber {
  /// A number with a default. A word that begins with a dash is a value too: a negative number is refused by its range.
  init(wrappedValue: Value, name: NameSpecification = .long, in range: ClosedRange<Value>, help: ArgumentHelp) {
    // The parser shows no default beside a transform.
    var help = help
    help.abstract += " (default: \(plain(wrappedValue)))"
    self.init(wrappedValue: wrappedValue, name: name, parsing: .unconditional, help: help) {
      try parseNumber($0, in: range)
    }
  }
}

extension Option {
  /// A number without a default.
  init<Number: OptionNumber>(name: NameSpecification = .long, in range: ClosedRange<Number>, help: ArgumentHelp)
  where Value == Number? {
    self.init(wrappedValue: nil, name: name, parsing: .unconditional, help: help) { try parseNumber($0, in: range) }
  }
}

private func parseNumber<Number: OptionNumber>(_ text: String, in range: ClosedRange<Number>) throws -> Number {
  guard let number = Number(text), range.contains(number) else {
    throw ValidationError("give a number from \(plain(range.lowerBound)) to \(plain(range.upperBound))")
  }
  return number
}

/// 1000.0 → "1000".
private func plain(_ number: some OptionNumber) -> String {
  "\(number)".withoutZeroFraction
}

/// Ranges that several options share.
extension ClosedRange<Int> {
  /// Pixels of a side; no image is larger.
  static var pixels: Self { 1...16384 }
  /// Pixels of a side of synthetic streets: smaller images have no street on them.
  static var streetPixels: Self { 32...16384 }
  static var threads: Self { 1...1024 }
  static var count: Self { 1...1_000_000 }
  static var steps: Self { 1...1_000_000_000 }
}

extension Backbone: ExpressibleByArgument {}
extension Split: ExpressibleByArgument {}
extension AugmentationMode: ExpressibleByArgument {}
extension Normalization: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension TrainingOptions.BatchNormScope: ExpressibleByArgument {}
extension TrainingOptions.TestSchedule: ExpressibleByArgument {}
extension TrainingOptions.NonFinitePolicy: ExpressibleByArgument {}
extension ValidationRanks: ExpressibleByArgument {}
