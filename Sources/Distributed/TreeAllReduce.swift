import COpenMPI
import Tensors

/// Sums arrays over the ranks in the order of `PairwiseSum`, whatever the size of the array and the number of ranks.
///
/// Every rank ends with the same bits. They are those of a `PairwiseSum` over one summand a rank; and where each summand is
/// itself the tree sum over a rank's images, and every rank holds the same power of two of them, those of the tree sum
/// over the images of the global batch. MPI_Allreduce promises neither.
package struct TreeAllReduce: Sendable {
  private let messages: PointToPoint
  private let largeCount: Int
  private let pieceCount: Int
  private let spanCount: Int

  /// - Parameters:
  ///   - patience: how the calling thread waits for the other ranks; nil for a thread that computes.
  ///   - largeCount: from this many floats on a rank sends what it must and no more; below, it sends the whole array a
  ///     few times, in fewer messages. (64 KiB.)
  ///   - pieceCount: floats of a message where sums are made: while one is added the next is on its way. (256 KiB: a few
  ///     of them stay in a core's cache from their arrival until they are added.)
  ///   - spanCount: floats that are summed at a time, fewer than 2³¹.
  package init(
    _ communicator: Communicator, waitPolicy: WaitPolicy? = nil, largeCount: Int = 1 << 14, pieceCount: Int = 1 << 16,
    spanCount: Int = 1 << 28
  ) {
    messages = PointToPoint(communicator, waitPolicy ?? communicator.waitPolicy)
    self.largeCount = largeCount
    self.pieceCount = pieceCount
    self.spanCount = spanCount
  }

  private var rank: Int { messages.communicator.rank }
  private var size: Int { messages.communicator.size }

  /// Replaces each float by its sum over the ranks; `count` is the same on all ranks.
  package func sum(_ values: UnsafeMutablePointer<Float>, count: Int) {
    guard size > 1 else { return }
    for start in stride(from: 0, to: count, by: spanCount) {
      let count = min(spanCount, count - start)
      if count < max(largeCount, size) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scratch in
          guard let scratch = scratch.baseAddress else { return }
          recursiveDoubling(values + start, count: count, scratch: scratch, mpiFloat())
        }
      } else if size & (size - 1) == 0 {
        recursiveHalving(values + start, count: count)
      } else {
        directExchange(values + start, count: count)
      }
    }
  }

  /// Replaces each number by its sum over the ranks; the count is the same on all ranks.
  package func sum(_ values: inout [Double]) {
    guard size > 1, !values.isEmpty else { return }
    var scratch = [Double](repeating: 0, count: values.count)
    values.withUnsafeMutableBufferPointer { values in
      scratch.withUnsafeMutableBufferPointer { scratch in
        guard let start = values.baseAddress, let scratch = scratch.baseAddress else { return }
        recursiveDoubling(start, count: values.count, scratch: scratch, mpiDouble())
      }
    }
  }

  /// For small arrays, any number of ranks: log₂ rounds, in each of which the whole array travels.
  ///
  /// Round by round, blocks of 1, 2, 4, … neighboring ranks that know the sum over their block join in pairs, left and
  /// right. The last block may be shorter: then its ranks serve several ranks of the left block each.
  private func recursiveDoubling<Number: BinaryFloatingPoint>(
    _ values: UnsafeMutablePointer<Number>, count: Int, scratch: UnsafeMutablePointer<Number>, _ type: MPI_Datatype?
  ) {
    var width = 1
    while width < size {
      let left = rank / (2 * width) * (2 * width)
      let right = left + width
      let end = min(right + width, size)
      if right < end {
        let isLeft = rank < right
        let place = isLeft ? rank - left : rank - right
        if isLeft && place >= end - right {
          messages.receive(scratch, count, from: right + place % (end - right), type)
        } else {
          messages.exchange(values, count, scratch, count, with: isLeft ? right + place : left + place, type)
          if !isLeft {
            for other in stride(from: left + place + end - right, to: right, by: end - right) {
              messages.send(values, count, to: other, type)
            }
          }
        }
        Self.add(scratch, to: values, count: count)
      }
      width *= 2
    }
  }

  /// For large arrays and a power of two of ranks R: two exchanges with a rank at each distance, of 1/2, 1/4, … 1/R.
  ///
  /// InterpolationTaps exchange halves first: the sums are those of the tree, and ranks on one machine, which are neighbors,
  /// keep the greatest part of the traffic to themselves.
  private func recursiveHalving(_ values: UnsafeMutablePointer<Float>, count: Int) {
    var kept = 0..<count
    var given: [Range<Int>] = []
    var distance = 1
    while distance < size {
      let middle = kept.lowerBound + kept.count / 2
      let halves = (kept.lowerBound..<middle, middle..<kept.upperBound)
      let isLeft = rank & distance == 0
      kept = isLeft ? halves.0 : halves.1
      let other = isLeft ? halves.1 : halves.0
      exchange(values, giving: other, adding: kept, with: rank ^ distance)
      given.append(other)
      distance *= 2
    }
    while let other = given.popLast() {
      distance /= 2
      messages.exchange(
        values + kept.lowerBound, kept.count, values + other.lowerBound, other.count, with: rank ^ distance, mpiFloat())
      kept = min(kept.lowerBound, other.lowerBound)..<max(kept.upperBound, other.upperBound)
    }
  }

  /// Sends one part of an array to a rank and adds that rank's numbers to the other part, piece by piece.
  private func exchange(
    _ values: UnsafeMutablePointer<Float>, giving given: Range<Int>, adding kept: Range<Int>, with other: Int
  ) {
    let pieceCount = pieceCount
    let window = 4
    let slots = Buffer(count: min(window * pieceCount, kept.count))
    var incoming = [MPI_Request?](repeating: nil, count: window)
    var outgoing = incoming
    func piece(_ index: Int, of range: Range<Int>) -> Range<Int>? {
      let start = range.lowerBound + index * pieceCount
      return start < range.upperBound ? start..<min(start + pieceCount, range.upperBound) : nil
    }
    func take(_ index: Int) {
      guard let piece = piece(index, of: kept) else { return }
      incoming[index % window] = messages.beginReceive(
        slots.start + index % window * pieceCount, piece.count, from: other, mpiFloat())
    }
    func give(_ index: Int) {
      guard let piece = piece(index, of: given) else { return }
      outgoing[index % window] = messages.beginSend(values + piece.lowerBound, piece.count, to: other, mpiFloat())
    }

    for index in 0..<window { take(index) }
    for index in 0..<window { give(index) }
    // The halves of an odd number differ by one, which may be a piece of its own.
    let pieces = (max(given.count, kept.count) + pieceCount - 1) / pieceCount
    for index in 0..<pieces {
      if let piece = piece(index, of: kept) {
        messages.wait(for: &incoming[index % window])
        Self.add(slots.start + index % window * pieceCount, to: values + piece.lowerBound, count: piece.count)
        take(index + window)
      }
      if piece(index, of: given) != nil {
        messages.wait(for: &outgoing[index % window])
        give(index + window)
      }
    }
  }

  /// For large arrays and other numbers of ranks: each rank is sent everybody's summands of the part that it owns, adds
  /// them up and hands out the sum. As much travels as by halving, in more messages.
  private func directExchange(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let starts = (0...size).map { $0 * count / size }
    let own = starts[rank + 1] - starts[rank]
    let summands = Buffer(count: own * size)
    let part = { (rank: Int) in (values + starts[rank], starts[rank + 1] - starts[rank]) }
    (summands.start + rank * own).update(from: values + starts[rank], count: own)
    messages.exchangeWithAll(sent: part) { (summands.start + $0 * own, own) }
    var width = 1
    while width < size {
      for left in stride(from: 0, to: size - width, by: 2 * width) {
        Self.add(summands.start + (left + width) * own, to: summands.start + left * own, count: own)
      }
      width *= 2
    }
    (values + starts[rank]).update(from: summands.start, count: own)
    messages.exchangeWithAll(sent: { _ in part(rank) }, received: part)
  }

  private static func add<Number: BinaryFloatingPoint>(
    _ summands: UnsafeMutablePointer<Number>, to sums: UnsafeMutablePointer<Number>, count: Int
  ) {
    for index in 0..<count { sums[index] += summands[index] }
  }
}
