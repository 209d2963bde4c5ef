/// A sample that an epoch draws.
package struct SampleDraw: Hashable, Sendable {
  /// In the sorted list of the split.
  package let index: Int
  /// How often the epoch has drawn the same sample before. Selects, with the index, the random numbers of the augmentation.
  package var occurrence = 0
  /// A pixel of the image that the crop must contain; nil if it may lie anywhere.
  package let centroid: Centroid?

  package init(index: Int, occurrence: Int = 0, centroid: Centroid? = nil) {
    self.index = index
    self.occurrence = occurrence
    self.centroid = centroid
  }
}

/// The pixel in the middle of the pixels of a class.
package struct Centroid: Hashable, Sendable {
  package let row: Int
  package let column: Int

  package init(row: Int, column: Int) {
    self.row = row
    self.column = column
  }
}
