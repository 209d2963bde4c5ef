import Layers
import Tensors

/// Sums the gradients over the ranks, a bucket of parameters at a time.
///
/// The gradients of all parameters lie one after another in one arena. The way back through the network completes them
/// from the last to the first, more or less, so that buckets are cut from the end. A bucket is summed when all of its
/// parameters and those of the buckets before it are complete: the order of the sums is that of the buckets, on every
/// rank, whatever the order in which parameters come in.
package final class GradientBuckets {
  /// A run of neighbouring parameters.
  package struct Bucket: Equatable {
    /// Indices of the parameters.
    package let parameters: Range<Int>
    /// Their places in the arena, in floats.
    package let floats: Range<Int>
  }

  /// 25 MiB of floats: large enough that the time of a message is that of its bytes, small enough that the first is on
  /// its way long before the last is complete.
  package static let usualCount = 25 << 18

  /// In the order in which they are summed.
  package let buckets: [Bucket]

  private let gradients: Floats
  private let reduction: TreeAllReduce
  private let bucketOfParameter: [Int]
  private var isComplete: [Bool]
  /// Parameters of each bucket that are not complete.
  private var missing: [Int]
  /// The first bucket that is not summed.
  private var next = 0

  /// - Parameters:
  ///   - gradients: the arena.
  ///   - extents: the place of each parameter in it, in floats, ascending. What lies between parameters is left alone
  ///     or summed with them.
  ///   - floatsPerBucket: a bucket is closed when it holds this many.
  package init(
    _ gradients: Floats, extents: [Range<Int>], communicator: Communicator,
    floatsPerBucket: Int = GradientBuckets.usualCount
  ) {
    buckets = Self.cut(extents, floatsPerBucket: floatsPerBucket)
    self.gradients = gradients
    reduction = TreeAllReduce(communicator)
    var bucketOfParameter = [Int](repeating: 0, count: extents.count)
    for (index, bucket) in buckets.enumerated() {
      for parameter in bucket.parameters { bucketOfParameter[parameter] = index }
    }
    self.bucketOfParameter = bucketOfParameter
    isComplete = [Bool](repeating: false, count: extents.count)
    missing = buckets.map(\.parameters.count)
  }

  /// The gradients of all parameters of a network, which must have been made.
  package convenience init(_ store: ParameterStore, communicator: Communicator) {
    let extents = store.parameters.map { $0.offset..<$0.offset + $0.form.count }
    self.init(store.gradients, extents: extents, communicator: communicator)
  }

  /// Tells that a parameter's gradient is complete. Every rank tells of the same parameters between two calls of `finish`.
  package func completed(_ parameter: Int) {
    precondition(!isComplete[parameter], "a gradient was changed after it was complete")
    isComplete[parameter] = true
    missing[bucketOfParameter[parameter]] -= 1
    while next < buckets.count, missing[next] == 0 { sumNext() }
  }

  /// Sums what is left, with the parameters of which nothing was told, and makes ready for the next step.
  package func finish() {
    while next < buckets.count { sumNext() }
    next = 0
    for index in isComplete.indices { isComplete[index] = false }
    missing = buckets.map(\.parameters.count)
  }

  private func sumNext() {
    let floats = buckets[next].floats
    reduction.sum(gradients.start + floats.lowerBound, count: floats.count)
    next += 1
  }

  /// Cuts the arena into buckets, from its end.
  package static func cut(_ extents: [Range<Int>], floatsPerBucket: Int) -> [Bucket] {
    var buckets: [Bucket] = []
    var end = extents.count
    for parameter in extents.indices.reversed() {
      let floats = extents[parameter].lowerBound..<extents[end - 1].upperBound
      guard floats.count >= floatsPerBucket || parameter == 0 else { continue }
      buckets.append(Bucket(parameters: parameter..<end, floats: floats))
      end = parameter
    }
    return buckets
  }
}
