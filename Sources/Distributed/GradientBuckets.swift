import Layers
import Synchronization
import Tensors

/// Sums the gradients over the ranks, a bucket of parameters at a time, beside the backward pass that makes them.
///
/// The gradients of all parameters lie one after another in one arena. The backward pass through the network completes them
/// from the last to the first, so that buckets are cut from the end. A bucket is handed to a thread that sums it when all
/// of its parameters and those of the buckets before it are complete: the order of the sums is that of the buckets, on
/// every rank, whatever the order in which parameters come in and the time that anything takes.
package final class GradientBuckets {
  /// A run of neighboring parameters.
  package struct Bucket: Equatable {
    /// Indices of the parameters.
    package let parameters: Range<Int>
    /// Their places in the arena, in floats.
    package let floats: Range<Int>
  }

  /// How much a bucket holds, in floats.
  package struct Capacity: Sendable {
    /// The first is to be on its way early, and after the last nothing is left to hide it: both hold this much.
    package let least: Int
    /// Those between: large enough that the time of a message is that of its bytes.
    package let most: Int

    package init(least: Int, most: Int) {
      self.least = least
      self.most = most
    }

    /// 1 MiB and 8 MiB.
    package static let usual = Capacity(least: 1 << 18, most: 1 << 21)
  }

  /// Where the time of sums went, in seconds.
  package struct Times: Sendable, Equatable {
    /// Summing, the waiting for slower ranks included.
    package var summing = 0.0
    /// Waiting, after the backward pass, for sums that were not done.
    package var waiting = 0.0
  }

  /// In the order in which they are summed.
  package let buckets: [Bucket]
  /// Since the beginning.
  package private(set) var times = Times()

  private let gradients: FloatSlice
  private let names: [String]
  private let timeline: Timeline?
  private let bytesTravel: Bool
  private let summing: Summing
  /// Nil where there is nothing to sum, or MPI allows one thread at a time: then sums are made on the way.
  private let thread: CommunicationThread?
  private let bucketOfParameter: [Int]
  private var isComplete: [Bool]
  /// Parameters of each bucket that are not complete.
  private var missing: [Int]
  /// The first bucket that is not on its way.
  private var next = 0

  /// Makes sums, on one thread at a time.
  private final class Summing: Sendable {
    let reduction: TreeAllReduce
    let seconds = Mutex(0.0)

    init(_ reduction: TreeAllReduce) { self.reduction = reduction }

    func sum(_ floats: FloatSlice, _ range: Range<Int>, name: String, on timeline: Timeline?) {
      let begin = Profile.now
      reduction.sum(floats.start + range.lowerBound, count: range.count)
      let end = Profile.now
      seconds.withLock { $0 += end - begin }
      timeline?.add(
        Timeline.Event(
          name: name, track: .communication, begin: begin, end: end, bytes: range.count * MemoryLayout<Float>.stride))
    }
  }

  /// Every rank takes part.
  ///
  /// - Parameters:
  ///   - gradients: the arena.
  ///   - extents: the place of each parameter in it, in floats, ascending. What lies between parameters is left alone
  ///     or summed with them.
  ///   - names: of the parameters, for the timeline.
  ///   - beside: whether sums are made on a thread of their own, where MPI allows that.
  package init(
    _ gradients: FloatSlice, extents: [Range<Int>], names: [String] = [], communicator: Communicator,
    capacity: Capacity = .usual, beside: Bool = true, timeline: Timeline? = nil
  ) {
    buckets = Self.cut(extents, capacity)
    self.gradients = gradients
    self.timeline = timeline
    bytesTravel = communicator.size > 1
    self.names = buckets.enumerated().map { index, bucket in
      let first = bucket.parameters.upperBound - 1
      return "bucket \(index + 1)" + (names.isEmpty ? "" : ", \(names[first]) …")
    }
    let isBeside = beside && communicator.allowsThreads && communicator.size > 1
    // Batch norm and losses sum over the ranks at the same time: what is said here is not to mix with that.
    summing = Summing(TreeAllReduce(communicator.duplicate(), waitPolicy: isBeside ? .backoff(most: 1000) : nil))
    thread = isBeside ? CommunicationThread() : nil
    var bucketOfParameter = [Int](repeating: 0, count: extents.count)
    for (index, bucket) in buckets.enumerated() {
      for parameter in bucket.parameters { bucketOfParameter[parameter] = index }
    }
    self.bucketOfParameter = bucketOfParameter
    isComplete = [Bool](repeating: false, count: extents.count)
    missing = buckets.map(\.parameters.count)
  }

  /// The gradients of all parameters of a network, which must have been made. Every rank takes part.
  package convenience init(_ store: ParameterStore, communicator: Communicator, timeline: Timeline? = nil) {
    let extents = store.parameters.map { $0.offset..<$0.offset + $0.layout.count }
    self.init(
      store.gradients, extents: extents, names: store.parameters.map(\.name), communicator: communicator,
      timeline: timeline)
  }

  /// Tells that a parameter's gradient is complete; it belongs to the sums from here to `finish`. Every rank tells of the
  /// same parameters between two calls of `finish`.
  package func completed(_ parameter: Int) {
    precondition(!isComplete[parameter], "a gradient was changed after it was complete")
    isComplete[parameter] = true
    missing[bucketOfParameter[parameter]] -= 1
    while next < buckets.count, missing[next] == 0 { sumNext() }
  }

  /// Sums what is left, with the parameters of which nothing was told, returns when all is summed, and makes ready for
  /// the next step.
  package func finish() {
    let begin = Profile.now
    while next < buckets.count { sumNext() }
    thread?.drain()
    let end = Profile.now
    times.waiting += end - begin
    times.summing = summing.seconds.withLock { $0 }
    if bytesTravel {
      timeline?.add(Timeline.Event(name: "wait for sums of gradients", track: .compute, begin: begin, end: end))
    }
    next = 0
    for index in isComplete.indices { isComplete[index] = false }
    missing = buckets.map(\.parameters.count)
  }

  private func sumNext() {
    defer { next += 1 }
    guard bytesTravel else { return }
    let (floats, name) = (buckets[next].floats, names[next])
    if let thread {
      thread.hand { [summing, gradients, timeline] in summing.sum(gradients, floats, name: name, on: timeline) }
    } else {
      summing.sum(gradients, floats, name: name, on: timeline)
    }
  }

  /// Cuts the arena into buckets, from its end: small ones at first, and again towards the last.
  package static func cut(_ extents: [Range<Int>], _ capacity: Capacity) -> [Bucket] {
    var buckets: [Bucket] = []
    var end = extents.count
    for parameter in extents.indices.reversed() {
      let floats = extents[parameter].lowerBound..<extents[end - 1].upperBound
      let wanted = buckets.isEmpty ? capacity.least : min(capacity.most, max(capacity.least, floats.upperBound / 2))
      guard floats.count >= wanted || parameter == 0 else { continue }
      buckets.append(Bucket(parameters: parameter..<end, floats: floats))
      end = parameter
    }
    return buckets
  }
}
