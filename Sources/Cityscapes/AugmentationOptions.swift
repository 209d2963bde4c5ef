/// How training samples are changed at random and drawn. With the defaults: resized by 0.5, 1 or 2, cropped, flipped; each
/// image once an epoch.
package struct AugmentationOptions: Codable, Sendable, Equatable {
  package var scale = ScaleFactors.standard
  /// Of the image inside the crop, before normalization; nil: none.
  package var distortion: ColorDistortion?
  /// After the distortion; nil: none.
  package var blur: BlurRange?
  /// The fraction of an epoch that is drawn class by class (`ClassUniformSampling`); 0: none.
  package var classUniform = 0.0

  package init() {}

  /// Every option that is on, with the text that the command line accepts for it.
  package var settings: [(option: String, value: String)] {
    var settings = [("--scale", scale.description)]
    if let distortion { settings.append(("--distort", distortion.description)) }
    if let blur { settings.append(("--blur", blur.description)) }
    if classUniform > 0 { settings.append(("--class-uniform", OptionText.plain(classUniform))) }
    return settings
  }
}

/// The standard deviations of a random Gaussian blur, in pixels: uniform from `low` on, below `high`.
package struct BlurRange: TextOption {
  package var low: Double
  package var high: Double

  package init(_ low: Double, _ high: Double) {
    self.low = low
    self.high = high
  }

  package init(parsing text: String) throws(OptionTextError) {
    guard let (low, high) = OptionText.range(text, in: 0...20), high > 0 else {
      throw OptionTextError("give standard deviations from 0 to 20 pixels, such as 0.15..1.3")
    }
    self.init(low, high)
  }

  package var description: String { "\(OptionText.plain(low))..\(OptionText.plain(high))" }
}
