/// Sums runs of floats image by image in the order of a balanced binary tree.
///
/// The rounding of a sum depends on the order of its additions. Joined as a balanced tree over the images of the
/// global batch, with each rank holding a contiguous share, the sum over a rank's own images is a subtree of the
/// whole: where every share is the same power of two, 1, 2, 4 and 8 ranks add the same numbers in the same order.
package struct PairwiseSum {
  private let count: Int
  /// Sums of 2^level neighboring images that still wait for their neighbors, largest first.
  private var waiting: [(level: Int, sum: FloatSlice)] = []

  /// - Parameter count: floats in each summand.
  package init(count: Int) { self.count = count }

  /// Adds the next image's summand.
  package mutating func add(_ summand: FloatSlice) {
    precondition(summand.count == count)
    var level = 0
    var sum = summand
    while let last = waiting.last, last.level == level {
      Self.add(sum, to: last.sum)
      sum = last.sum
      level += 1
      waiting.removeLast()
    }
    waiting.append((level, sum))
  }

  /// The sum of everything added; at least one summand must have been.
  package mutating func total() -> FloatSlice {
    precondition(!waiting.isEmpty)
    var sum = waiting.removeLast().sum
    while let last = waiting.popLast() {
      Self.add(sum, to: last.sum)
      sum = last.sum
    }
    return sum
  }

  private static func add(_ summand: FloatSlice, to sum: FloatSlice) {
    for index in 0..<sum.count { sum.start[index] += summand.start[index] }
  }

  /// The same for double-precision sums, one row an image.
  package static func total(_ rows: [[Double]]) -> [Double] {
    precondition(!rows.isEmpty)
    var waiting: [(level: Int, sum: [Double])] = []
    func added(_ left: [Double], _ right: [Double]) -> [Double] { zip(left, right).map { $0 + $1 } }
    for row in rows {
      var level = 0
      var sum = row
      while let last = waiting.last, last.level == level {
        sum = added(last.sum, sum)
        level += 1
        waiting.removeLast()
      }
      waiting.append((level, sum))
    }
    var sum = waiting.removeLast().sum
    while let last = waiting.popLast() { sum = added(last.sum, sum) }
    return sum
  }
}
