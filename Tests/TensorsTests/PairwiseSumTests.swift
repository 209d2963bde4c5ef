import Tensors
import Testing

@Suite("Tree sums")
struct TreeSumTests {
  /// Numbers whose sum rounds differently in almost every order.
  private static func rows(_ count: Int) -> [[Float]] {
    var random = RandomNumbers(named: "rows")
    return (0..<count).map { _ in (0..<11).map { _ in Float(random.uniformSymmetric()) * 1e4 + random.uniform() } }
  }

  private static func sum(_ rows: some Collection<[Float]>) -> [Float] {
    var tree = PairwiseSum(count: 11)
    for row in rows { tree.add(FloatSlice(row)) }
    return tree.total().values
  }

  /// The definition: the largest power of two of summands on the left, the rest on the right.
  private static func byHalves<Number: FloatingPoint>(_ rows: ArraySlice<[Number]>) -> [Number] {
    if rows.count == 1 { return rows[rows.startIndex] }
    var left = 1
    while left * 2 < rows.count { left *= 2 }
    return zip(byHalves(rows.prefix(left)), byHalves(rows.dropFirst(left))).map { $0 + $1 }
  }

  @Test("Additions follow a balanced binary tree", arguments: [1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 31])
  func ordersAsTree(count: Int) {
    let rows = Self.rows(count)
    #expect(Self.sum(rows) == Self.byHalves(rows[...]))
    let doubles = rows.map { $0.map { Double($0) / 3 } }
    #expect(PairwiseSum.total(doubles) == Self.byHalves(doubles[...]))
  }

  @Test("Shares of a power of two, summed apart, join to the same bits", arguments: [1, 2, 4, 8])
  func sharesJoin(share: Int) {
    let rows = Self.rows(16)
    let shares = stride(from: 0, to: 16, by: share).map { Self.sum(rows[$0..<($0 + share)]) }
    #expect(Self.sum(shares) == Self.sum(rows))
  }

  @Test("The order matters: a running sum of the same rows has other bits")
  func runningSumDiffers() {
    let rows = Self.rows(16)
    let running = rows.dropFirst().reduce(rows[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(Self.sum(rows) != running)
  }
}
