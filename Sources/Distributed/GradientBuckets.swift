import Layers
import Microkernels
import Synchronization
import System
import Tensors

/// Bucketed all-reduce of the gradients, overlapped with the backward pass.
///
/// The gradients of all parameters lie one after another in one flat array. The backward pass completes them from the
/// last parameter to the first, so buckets are cut from the end. A bucket is enqueued on the communication thread when
/// all of its parameters and those of the buckets before it are ready: every rank reduces the buckets in the same
/// order, whatever the order in which gradients become ready.
///
/// A bucket that ranks send each other in bfloat16 has half the bytes (`TreeAllReduce`).
package final class GradientBuckets {
  /// A run of neighboring parameters.
  package struct Bucket: Equatable {
    /// Indices of the parameters.
    package let parameters: Range<Int>
    /// Their range in the flat array, in floats.
    package let floats: Range<Int>
  }

  /// Bucket sizes, in floats.
  package struct Capacity: Sendable {
    /// Size of the first and last bucket: small, since the first should start early and the last cannot be overlapped.
    package let least: Int
    /// Size of the others: large enough that a message is limited by bandwidth, not by latency.
    package let most: Int

    package init(least: Int, most: Int) {
      self.least = least
      self.most = most
    }

    /// 1 MiB and 8 MiB.
    package static let standard = Capacity(least: 1 << 18, most: 1 << 21)
  }

  /// Seconds of communication.
  package struct Times: Sendable, Equatable {
    /// In all-reduces, including the wait for slower ranks.
    package var summing = 0.0
    /// Of the compute thread, which waits after the backward pass for all-reduces that are not done.
    package var waiting = 0.0
  }

  /// In the order in which they are reduced.
  package let buckets: [Bucket]
  /// Totals since creation.
  package private(set) var times = Times()

  private let gradients: FloatSlice
  private let names: [String]
  private let timeline: Timeline?
  private let isDistributed: Bool
  private let reducer: Reducer
  /// Runs the all-reduces; nil if they run on the calling thread, because there is nothing to reduce or MPI allows one
  /// thread at a time.
  private let communicationThread: SerialQueue?
  private let bucketOfParameter: [Int]
  private var isReady: [Bool]
  /// Parameters of each bucket that are not ready.
  private var missing: [Int]
  /// The first bucket whose all-reduce has not been started.
  private var next = 0

  /// All-reduces, on one thread at a time.
  private final class Reducer: Sendable {
    let reduction: TreeAllReduce
    let transport: Precision
    let seconds = Mutex(0.0)

    init(_ communicator: Communicator, _ waitPolicy: WaitPolicy?, _ transport: Precision) {
      reduction = TreeAllReduce(communicator, waitPolicy: waitPolicy, transport: transport)
      self.transport = transport
    }

    func sum(_ floats: FloatSlice, _ range: Range<Int>, bucket number: Int, name: String, on timeline: Timeline?) {
      let begin = Clock.now
      Activity.reducing(bucket: number) { reduction.sum(floats.start + range.lowerBound, count: range.count) }
      let end = Clock.now
      seconds.withLock { $0 += end - begin }
      timeline?.add(
        Timeline.Event(
          name: name, track: .communication, begin: begin, end: end, bytes: range.count * transport.size))
    }
  }

  /// - Parameters:
  ///   - gradients: the flat array.
  ///   - extents: the range of each parameter in it, in floats, ascending. Gaps between parameters may be summed too.
  ///   - names: of the parameters, for the timeline.
  ///   - communicator: used by nothing else (a `duplicate`): batch norm and the losses communicate at the same time,
  ///     and their messages must not mix with these.
  ///   - transport: of the gradients in messages.
  ///   - overlapped: whether all-reduces run on a communication thread, if MPI allows that.
  package init(
    _ gradients: FloatSlice, extents: [Range<Int>], names: [String] = [], communicator: Communicator,
    transport: Precision = .float32, capacity: Capacity = .standard, overlapped: Bool = true, timeline: Timeline? = nil
  ) {
    buckets = Self.cut(extents, capacity)
    self.gradients = gradients
    self.timeline = timeline
    isDistributed = communicator.size > 1
    self.names = buckets.enumerated().map { index, bucket in
      let first = bucket.parameters.upperBound - 1
      return "bucket \(index + 1)" + (names.isEmpty ? "" : ", \(names[first]) …")
    }
    let isOverlapped = overlapped && communicator.allowsThreads && isDistributed
    reducer = Reducer(communicator, isOverlapped ? .backoff(most: 1000) : nil, transport)
    communicationThread = isOverlapped ? SerialQueue("gscnn allreduce") : nil
    var bucketOfParameter = [Int](repeating: 0, count: extents.count)
    for (index, bucket) in buckets.enumerated() {
      for parameter in bucket.parameters { bucketOfParameter[parameter] = index }
    }
    self.bucketOfParameter = bucketOfParameter
    isReady = [Bool](repeating: false, count: extents.count)
    missing = buckets.map(\.parameters.count)
  }

  /// Buckets of the gradients of all parameters of a network, which must have been allocated.
  ///
  /// - Parameters:
  ///   - communicator: used by nothing else (a `duplicate`).
  ///   - transport: of the gradients in messages.
  package convenience init(
    _ store: ParameterStore, communicator: Communicator, transport: Precision = .float32, timeline: Timeline? = nil
  ) {
    self.init(
      store.gradients, extents: store.parameters.map(\.extent), names: store.parameters.map(\.name),
      communicator: communicator, transport: transport, timeline: timeline)
  }

  /// Marks a parameter's gradient as final; from here to `synchronize` only the all-reduce may touch it. Between two
  /// calls of `synchronize` every rank marks the same parameters, in any order.
  package func markReady(_ parameter: Int) {
    precondition(!isReady[parameter], "a gradient changed after it was marked ready")
    isReady[parameter] = true
    missing[bucketOfParameter[parameter]] -= 1
    while next < buckets.count, missing[next] == 0 { reduceNext() }
  }

  /// Reduces the buckets that are left, with the parameters that were not marked, waits for all of them, and resets
  /// the buckets for the next step.
  package func synchronize() {
    let begin = Clock.now
    while next < buckets.count { reduceNext() }
    Activity.waiting { communicationThread?.flush() }
    let end = Clock.now
    times.waiting += end - begin
    times.summing = reducer.seconds.withLock { $0 }
    if isDistributed {
      timeline?.add(Timeline.Event(name: "wait for all-reduce", track: .compute, begin: begin, end: end))
    }
    next = 0
    for index in isReady.indices { isReady[index] = false }
    missing = buckets.map(\.parameters.count)
  }

  private func reduceNext() {
    defer { next += 1 }
    guard isDistributed else { return }
    let (number, floats, name) = (next + 1, buckets[next].floats, names[next])
    if let communicationThread {
      communicationThread.enqueue { [reducer, gradients, timeline] in
        reducer.sum(gradients, floats, bucket: number, name: name, on: timeline)
      }
    } else {
      reducer.sum(gradients, floats, bucket: number, name: name, on: timeline)
    }
  }

  /// Cuts the flat array into buckets, from its end: small ones first, and smaller again towards the last.
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
