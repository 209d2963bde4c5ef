import Tensors

/// The order in which an epoch takes its samples.
package enum Shuffle: Sendable, Equatable {
  /// A permutation of its own for each epoch, the same for the same seed.
  case shuffled(seed: UInt64)
  /// As the files are sorted, the same in every epoch.
  case byFileName

  /// The indices 0 ..< `count` in the order of epoch `epoch` (Fisher and Yates).
  package func indices(epoch: Int, count: Int) -> [Int] {
    var order = Array(0..<count)
    guard case .shuffled(let seed) = self else { return order }
    var random = RandomNumbers(seed, RandomNumbers.hash("epoch order"), UInt64(epoch))
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, random.uniform(below: last + 1)) }
    return order
  }
}
