/// Pairwise summation: sums arrays of floats, one per image, in the order of a balanced binary tree.
///
/// The rounding of a sum depends on the order of its additions. The tree spans the images of the global batch, of which
/// each rank holds a contiguous share. The sum over a rank's images is then a subtree: if all shares are the same power
/// of two, runs on 1, 2, 4 and 8 ranks add the same numbers in the same order and get the same bits.
package struct PairwiseSum {
  private let count: Int
  /// Sums of 2^level consecutive images that have no sibling yet, largest level first.
  private var pending: [(level: Int, sum: FloatSlice)] = []

  /// - Parameter count: floats in each summand.
  package init(count: Int) { self.count = count }

  /// Adds the summand of the next image.
  ///
  /// - Parameter summand: taken over: later additions accumulate into its memory, without a copy. The caller must not
  ///   use it again before `total()`.
  package mutating func add(consuming summand: FloatSlice) {
    precondition(summand.count == count)
    var level = 0
    var sum = summand
    while let last = pending.last, last.level == level {
      Self.add(sum, to: last.sum)
      sum = last.sum
      level += 1
      pending.removeLast()
    }
    pending.append((level, sum))
  }

  /// The sum of all summands, in the memory of the first one. At least one must have been added.
  package mutating func total() -> FloatSlice {
    precondition(!pending.isEmpty)
    var sum = pending.removeLast().sum
    while let last = pending.popLast() {
      Self.add(sum, to: last.sum)
      sum = last.sum
    }
    return sum
  }

  private static func add(_ summand: FloatSlice, to sum: FloatSlice) {
    for index in 0..<sum.count { sum.start[index] += summand.start[index] }
  }

  /// The sum of double-precision arrays in the same order, one row per image.
  package static func total(_ rows: [[Double]]) -> [Double] {
    precondition(!rows.isEmpty)
    var pending: [(level: Int, sum: [Double])] = []
    func added(_ left: [Double], _ right: [Double]) -> [Double] { zip(left, right).map { $0 + $1 } }
    for row in rows {
      var level = 0
      var sum = row
      while let last = pending.last, last.level == level {
        sum = added(last.sum, sum)
        level += 1
        pending.removeLast()
      }
      pending.append((level, sum))
    }
    var sum = pending.removeLast().sum
    while let last = pending.popLast() { sum = added(last.sum, sum) }
    return sum
  }
}
