extension Unicode.Scalar {
  /// Whether it is a control character, or separates lines or paragraphs.
  package var isControl: Bool {
    [.control, .lineSeparator, .paragraphSeparator].contains(properties.generalCategory)
  }
}
