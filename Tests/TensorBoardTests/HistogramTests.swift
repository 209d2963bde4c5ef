import TensorBoard
import Testing

@Suite("Histograms")
struct HistogramTests {
  private func histogram(_ numbers: [Float], buckets: Int = 30) -> Histogram {
    numbers.withUnsafeBufferPointer { Histogram(of: $0, buckets: buckets) }
  }

  @Test("Buckets of equal width from the least number to the largest, which counts in the last one")
  func buckets() {
    let histogram = histogram([0, 1, 1, 3, 4, .nan, .infinity], buckets: 4)
    #expect(histogram.buckets.map(\.count) == [1, 2, 0, 2])
    #expect(histogram.buckets.map(\.lowerBound) == [0, 1, 2, 3])
    #expect(histogram.buckets.map(\.upperBound) == [1, 2, 3, 4])
  }

  @Test("Numbers that are all equal lie in one bucket around them, and none in none")
  func degenerate() {
    let single = histogram([2, 2, .nan]).buckets
    #expect(single.map(\.lowerBound) == [1.5] && single.map(\.upperBound) == [2.5] && single.map(\.count) == [2])
    #expect(histogram([]).buckets.isEmpty)
    #expect(histogram([.nan, -.infinity]).buckets.isEmpty)
  }

  @Test("The extreme numbers of single precision have a bucket")
  func extremes() {
    let numbers: [Float] = [-.greatestFiniteMagnitude, 0, .leastNonzeroMagnitude, .greatestFiniteMagnitude]
    #expect(histogram(numbers).buckets.map(\.count).reduce(0, +) == 4)
    #expect(histogram([0, .leastNonzeroMagnitude]).buckets.map(\.count).reduce(0, +) == 2)
  }
}
