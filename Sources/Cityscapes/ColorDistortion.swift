import Images
import Tensors

/// Random changes of the colors of a training image, as PaddleSeg's `RandomDistort`: brightness, contrast, saturation and
/// hue in random order, each with the same probability.
package struct ColorDistortion: TextOption {
  /// Factors are uniform from 1 - amount on, below 1 + amount; 0: never changed.
  package var brightness = 0.0
  package var contrast = 0.0
  package var saturation = 0.0
  /// The offset of the hue is uniform from -amount on, below amount, where 256 go round once; 0: never changed.
  package var hue = 0.0
  /// Of each of the four.
  package var probability = 0.5

  package init(
    brightness: Double = 0, contrast: Double = 0, saturation: Double = 0, hue: Double = 0, probability: Double = 0.5
  ) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
    self.probability = probability
  }

  /// Draws the changes of a sample: their order, then for each of the four whether it takes place and how strongly. The
  /// amounts do not change what is drawn.
  func changes(_ random: inout RandomNumbers) -> [ColorChange] {
    let order = random.permutation(of: 4)
    let draws = (0..<4).map { _ in
      (isChosen: Double(random.uniform()) < probability, place: random.uniform(in: -1..<1))
    }
    return order.compactMap { kind -> ColorChange? in
      let (isChosen, place) = draws[kind]
      guard isChosen else { return nil }
      func factor(_ amount: Double) -> Float { Float(1 + amount * place) }
      return switch kind {
      case 0: brightness > 0 ? .brightness(factor(brightness)) : nil
      case 1: contrast > 0 ? .contrast(factor(contrast)) : nil
      case 2: saturation > 0 ? .saturation(factor(saturation)) : nil
      default: hue > 0 ? .hue(hue * place) : nil
      }
    }
  }

  // MARK: - Text

  private static var amounts: [(name: String, range: ClosedRange<Double>, path: WritableKeyPath<Self, Double>)] {
    [
      ("brightness", 0...1, \.brightness), ("contrast", 0...1, \.contrast), ("saturation", 0...1, \.saturation),
      ("hue", 0...128, \.hue), ("probability", 0...1, \.probability),
    ]
  }

  package init(parsing text: String) throws(OptionTextError) {
    self.init()
    var names: Set<Substring> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard words.count == 2, let amount = Self.amounts.first(where: { $0.name == words[0] }) else {
        throw OptionTextError("give amounts such as brightness=0.4,contrast=0.4,saturation=0.4,hue=18,probability=0.5")
      }
      guard let value = OptionText.number(words[1], in: amount.range) else {
        throw OptionTextError("\(amount.name) is from 0 to \(OptionText.plain(amount.range.upperBound))")
      }
      guard names.insert(words[0]).inserted else {
        throw OptionTextError("\(amount.name) is given twice; give it once")
      }
      self[keyPath: amount.path] = value
    }
    guard probability > 0, max(brightness, contrast, saturation, hue) > 0 else {
      throw OptionTextError("nothing would be distorted; give amounts above 0, or leave the option out")
    }
  }

  package var description: String {
    let standard = ColorDistortion()
    return Self.amounts.filter { self[keyPath: $0.path] != standard[keyPath: $0.path] }
      .map { "\($0.name)=\(OptionText.plain(self[keyPath: $0.path]))" }.joined(separator: ",")
  }
}
