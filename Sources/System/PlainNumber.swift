extension String {
  /// A number's text as a user writes it: "1.0" → "1".
  package var withoutZeroFraction: String { hasSuffix(".0") ? String(dropLast(2)) : self }
}
