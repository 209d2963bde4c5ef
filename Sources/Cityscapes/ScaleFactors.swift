import Tensors

/// The factors by which training images are resized at random.
package enum ScaleFactors: TextOption {
  /// One of these, each equally likely: `0.5,1,2`.
  case list([Double])
  /// Uniform from `low` on, below `high`: `0.5..2`.
  case range(low: Double, high: Double)
  /// One of `count` evenly spaced factors from `low` to `high`, each equally likely, as PaddleSeg's `ResizeStepScaling`:
  /// `0.5..2:0.25`.
  case steps(low: Double, high: Double, by: Double)

  /// Of the reference implementation.
  package static let standard = ScaleFactors.list([0.5, 1, 2])

  /// Draws a factor, with one random number.
  func factor(_ random: inout RandomNumbers) -> Double {
    switch self {
    case .list(let factors): return factors[random.uniform(below: factors.count)]
    case .range(let low, let high): return random.uniform(in: low..<high)
    case .steps(let low, let high, let step):
      let last = Self.steps(low, high, step)
      let index = random.uniform(below: last + 1)
      return index == last ? high : low + Double(index) * ((high - low) / Double(last))
    }
  }

  /// Steps from the first factor to the last one.
  private static func steps(_ low: Double, _ high: Double, _ step: Double) -> Int {
    Int(((high - low) / step).rounded())
  }

  private static let allowed = 0.1...8.0
  private static let example = "give factors from 0.1 to 8: a list 0.5,1,2, a range 0.5..2, or with a step 0.5..2:0.25"

  package init(parsing text: String) throws(OptionTextError) {
    guard text.contains("..") else {
      let words = text.split(separator: ",", omittingEmptySubsequences: false)
      let factors = words.compactMap { OptionText.number($0, in: Self.allowed) }
      guard factors.count == words.count else { throw OptionTextError(Self.example) }
      guard Set(factors).count == factors.count else {
        throw OptionTextError("a factor is given twice; give each once, they are equally likely")
      }
      self = .list(factors)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let (low, high) = OptionText.range(parts[0], in: Self.allowed) else {
      throw OptionTextError(Self.example)
    }
    guard low < high else {
      throw OptionTextError("the range is empty; for one factor give it alone: \(OptionText.plain(low))")
    }
    guard parts.count == 2 else {
      self = .range(low: low, high: high)
      return
    }
    guard let step = OptionText.number(parts[1], in: 0.001...8) else { throw OptionTextError(Self.example) }
    let steps = Self.steps(low, high, step)
    guard steps >= 1, abs(Double(steps) * step - (high - low)) < 1e-9 else {
      let nearest = (high - low) / Double(max(steps, 1))
      throw OptionTextError(
        "the range is no whole number of steps; give a step that divides it, such as \(OptionText.plain(nearest))")
    }
    self = .steps(low: low, high: high, by: step)
  }

  package var description: String {
    switch self {
    case .list(let factors): factors.map(OptionText.plain).joined(separator: ",")
    case .range(let low, let high): "\(OptionText.plain(low))..\(OptionText.plain(high))"
    case .steps(let low, let high, let step):
      "\(OptionText.plain(low))..\(OptionText.plain(high)):\(OptionText.plain(step))"
    }
  }
}
