extension [String] {
  /// The first lines of one kind and how many more there are: a thousand lines of an error hide the one that matters.
  package func abbreviated(to limit: Int = 5) -> [String] {
    count > limit ? prefix(limit) + ["… and \(count - limit) more"] : self
  }
}
