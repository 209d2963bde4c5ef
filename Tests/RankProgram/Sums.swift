import Distributed
import Glibc
import Layers
import System
import Tensors

extension Communicator {
  /// Prints a result of this rank as one line.
  func report(_ text: String) { print("\(rank) \(text)") }
}

extension RankProgram {
  /// Prints the hashes of the sums of every rank's summand, for each (count, largeCount, pieceCount, spanCount).
  static func sumFloats(_ communicator: Communicator, _ numbers: [Int]) {
    for index in stride(from: 0, to: numbers.count, by: 4) {
      let count = numbers[index]
      let floats = summand(of: communicator.rank, count: count)
      let reduction = TreeAllReduce(
        communicator, largeCount: numbers[index + 1], pieceCount: numbers[index + 2], spanCount: numbers[index + 3])
      reduction.sum(floats.start, count: count)
      communicator.report("\(hash(of: floats))")
    }
  }

  /// Sums with messages in bfloat16, for each (count, pieceCount, spanCount): prints the hash of the sums, the largest error
  /// as a fraction of the sum of magnitudes, and whether small integers have their exact sums.
  static func sumInBFloat16(_ communicator: Communicator, _ numbers: [Int]) {
    for index in stride(from: 0, to: numbers.count, by: 3) {
      let count = numbers[index]
      let reduction = TreeAllReduce(
        communicator, transport: .bfloat16, largeCount: 1, pieceCount: numbers[index + 1], spanCount: numbers[index + 2]
      )
      let floats = summand(of: communicator.rank, count: count)
      reduction.sum(floats.start, count: count)
      var (sums, magnitudes) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
      for rank in 0..<communicator.size {
        for (place, value) in summand(of: rank, count: count).values.enumerated() {
          sums[place] += Double(value)
          magnitudes[place] += Double(abs(value))
        }
      }
      let errors = zip(floats.values, zip(sums, magnitudes)).map { abs(Double($0) - $1.0) / max($1.1, 1e-30) }
      func integer(_ rank: Int, _ place: Int) -> Float { Float((place * 7 + rank * 3) % 33 - 16) }
      let integers = FloatSlice((0..<count).map { integer(communicator.rank, $0) })
      reduction.sum(integers.start, count: count)
      let exact = (0..<count).map { place in (0..<communicator.size).reduce(Float(0)) { $0 + integer($1, place) } }
      communicator.report("\(hash(of: floats)) \(errors.max() ?? 0) \(integers.values == exact)")
    }
  }

  static func sumDoubles(_ communicator: Communicator, count: Int) {
    var sums = summand(of: communicator.rank, count: count).values.map { Double($0) / 3 }
    let reduction = MPICrossReplicaSum(communicator)
    reduction.sum(&sums)
    communicator.report("\(communicator.size) \(sums.withUnsafeBytes(XXH64.hash))")
  }

  /// Sums over the rows and the columns of a grid of ranks, `width` in a row, while the whole communicator sums too.
  static func split(_ communicator: Communicator, width: Int) {
    let row = communicator.split(color: communicator.rank / width)
    let column = communicator.split(color: communicator.rank % width)
    communicator.report("row \(row.rank) of \(row.size), column \(column.rank) of \(column.size)")
    let places = [row, column].map { ($0.localRank, $0.localSize) }
    communicator.report("\(places.allSatisfy { $0 == (communicator.localRank, communicator.localSize) })")
    var counts = [1.0]
    for part in [row, column] {
      let floats = summand(of: communicator.rank, count: 40_000)
      // Ranks of different rows need not wait for one another.
      usleep(UInt32(communicator.rank) * 2000)
      TreeAllReduce(part).sum(floats.start, count: floats.count)
      var doubles = summand(of: communicator.rank, count: 321).values.map { Double($0) / 3 }
      MPICrossReplicaSum(part).sum(&doubles)
      MPICrossReplicaSum(communicator).sum(&counts)
      communicator.report("\(hash(of: floats)) \(doubles.withUnsafeBytes(XXH64.hash))")
    }
    communicator.report("\(counts)")
  }

  static func collectives(_ communicator: Communicator) {
    let rank = communicator.rank
    var sums = [rank + 1, Int.max / 4 - rank, 1 << 53 | 1]
    communicator.allReduceSum(&sums)
    communicator.report("sums \(sums)")
    communicator.report("largest \(communicator.allReduceMax(-rank)) \(communicator.allReduceMax(rank))")

    let root = communicator.size - 1
    communicator.report("bytes \(communicator.broadcast(rank == root ? [1, 2, 3] : [9], from: root))")
    let floats = FloatSlice(rank == 0 ? [0.5, -2] : [7, 7])
    communicator.broadcast(floats.start, count: 2)
    communicator.report("floats \(floats.values)")
    communicator.report("gathered \(communicator.gather([UInt8](repeating: UInt8(rank), count: rank)))")
    communicator.report("words \(communicator.allGather(UInt64(rank) << 60))")
    communicator.report("texts \(communicator.allGather(rank == 1 ? "" : "Zoë \(rank)"))")
  }

  /// Two steps, in which every rank marks its parameters ready in another order and at another pace, while batch norm
  /// communicates too.
  static func buckets(_ communicator: Communicator, overlapped: Bool) {
    let extents = [0..<5, 16..<1016, 1016..<1024, 1024..<3000]
    let gradients = FloatSlice(count: 3000)
    let buckets = GradientBuckets(
      gradients, extents: extents, communicator: communicator.duplicate(),
      capacity: GradientBuckets.Capacity(least: 500, most: 1000), overlapped: overlapped)
    let reduction = MPICrossReplicaSum(communicator)
    var sums = [Double](repeating: 1, count: 7)
    for _ in 0..<2 {
      let own = summand(of: communicator.rank, count: 3000)
      gradients.start.update(from: own.start, count: 3000)
      for index in 5..<16 { gradients.start[index] = 0 }
      // No rank marks the last parameter, as if the step did not use it.
      for turn in 0..<3 {
        buckets.markReady((turn + communicator.rank) % 3)
        usleep(UInt32(communicator.rank) * 2000)
        reduction.sum(&sums)
      }
      buckets.synchronize()
      communicator.report("\(hash(of: gradients))")
    }
    communicator.report("\(Set(sums))")
  }

  /// Reports the wall and processor time of waiting for rank 0, which is a second late.
  static func backoff(_ communicator: Communicator) {
    let gradients = FloatSlice(count: 1 << 20)
    gradients.buffer.clear()
    let buckets = GradientBuckets(gradients, extents: [0..<gradients.count], communicator: communicator.duplicate())
    communicator.sleepingBarrier()
    let (wall, processor) = (Clock.now, Clock.processorTime)
    if communicator.rank == 0 { sleep(1) }
    buckets.markReady(0)
    buckets.synchronize()
    communicator.report("\(Clock.now - wall) \(Clock.processorTime - processor)")
  }

  /// The gradients of a network of two parameters.
  static func store(_ communicator: Communicator) {
    let store = ParameterStore()
    let parameters = [
      store.root.vector("first", 3, initial: .constant(0)), store.root.vector("second", 1, initial: .constant(0)),
    ]
    store.allocate(seed: 1)
    store.allocateGradients()
    for index in 0..<3 { parameters[0].gradient.start[index] = Float(communicator.rank + 1) }
    parameters[1].gradient.start[0] = 10 * Float(communicator.rank + 1)
    let buckets = GradientBuckets(store, communicator: communicator.duplicate())
    for parameter in parameters.reversed() { buckets.markReady(parameter.index) }
    buckets.synchronize()
    communicator.report("\(parameters[0].gradient.values) \(parameters[1].gradient.values)")
  }

  /// Numbers of very different sizes, whose sum depends on the order.
  private static func summand(of rank: Int, count: Int) -> FloatSlice {
    var random = RandomNumbers(11, UInt64(rank))
    return FloatSlice(
      (0..<count).map { _ in Float(random.uniform(in: -1..<1)) * Float(1 << random.uniform(below: 12)) })
  }

  private static func hash(of floats: FloatSlice) -> UInt64 { floats.values.withUnsafeBytes(XXH64.hash) }
}
