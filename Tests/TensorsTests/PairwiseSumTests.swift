import Tensors
import Testing

@Suite("Pairwise sum")
struct PairwiseSumTests {
  /// Numbers whose sum rounds differently in almost any other order.
  private static func rows(_ count: Int) -> [[Float]] {
    var random = RandomNumbers(named: "rows")
    return (0..<count).map { _ in (0..<11).map { _ in Float(random.uniform(in: -1..<1)) * 1e4 + random.uniform() } }
  }

  private static func sum(_ rows: some Collection<[Float]>) -> [Float] {
    var tree = PairwiseSum(count: 11)
    for row in rows { tree.add(consuming: FloatSlice(row)) }
    return tree.total().values
  }

  /// The definition: on the left the largest power of two less than the number of summands, on the right the rest.
  private static func recursiveSum<Number: FloatingPoint>(_ rows: ArraySlice<[Number]>) -> [Number] {
    if rows.count == 1 { return rows[rows.startIndex] }
    var left = 1
    while left * 2 < rows.count { left *= 2 }
    return zip(recursiveSum(rows.prefix(left)), recursiveSum(rows.dropFirst(left))).map { $0 + $1 }
  }

  @Test("Additions follow a balanced binary tree", arguments: [1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 31])
  func ordersAsTree(count: Int) {
    let rows = Self.rows(count)
    #expect(Self.sum(rows) == Self.recursiveSum(rows[...]))
    let doubles = rows.map { $0.map { Double($0) / 3 } }
    #expect(PairwiseSum.total(doubles) == Self.recursiveSum(doubles[...]))
  }

  @Test(
    "Sums over shares of a power of two, added pairwise, have the same bits as the whole sum", arguments: [1, 2, 4, 8])
  func shares(share: Int) {
    let rows = Self.rows(16)
    let shares = stride(from: 0, to: 16, by: share).map { Self.sum(rows[$0..<($0 + share)]) }
    #expect(Self.sum(shares) == Self.sum(rows))
  }

  @Test("A sequential sum of the same rows has other bits, so the tests above are meaningful")
  func sequentialSumDiffers() {
    let rows = Self.rows(16)
    let sequential = rows.dropFirst().reduce(rows[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(Self.sum(rows) != sequential)
  }
}
