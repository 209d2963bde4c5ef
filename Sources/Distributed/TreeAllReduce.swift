import COpenMPI
import Microkernels
import Tensors

/// An all-reduce (sum) in the order of `PairwiseSum`, whatever the size of the array and the number of ranks.
///
/// Every rank gets the same bits: those of a `PairwiseSum` over one summand per rank. If each summand is itself the
/// pairwise sum over a rank's images, and every rank holds the same power of two of them, they are the bits of the
/// pairwise sum over the images of the global batch. MPI_Allreduce promises neither.
///
/// Small arrays use recursive doubling. Large ones use a reduce-scatter and an all-gather: by recursive halving if the
/// number of ranks is a power of two, else by direct exchange.
///
/// Messages of large arrays can carry bfloat16, which halves their bytes. Additions stay in single precision: a rank
/// rounds what it sends, and the sums once more before they are sent to all. Every rank still gets the same bits, but
/// other ones for another number of ranks.
package struct TreeAllReduce: Sendable {
  private let messages: PointToPoint
  private let largeCount: Int
  private let pieceCount: Int
  private let spanCount: Int
  private let transport: Precision

  /// - Parameters:
  ///   - waitPolicy: how the calling thread waits for the other ranks; nil for a compute thread.
  ///   - transport: of the numbers in messages of large arrays.
  ///   - largeCount: arrays of this many floats or more are reduced with the least traffic, smaller ones with the
  ///     fewest messages. (64 KiB.)
  ///   - pieceCount: floats per message in the reduce-scatter: one piece is added while the next is in flight. (256
  ///     KiB in single precision: a few pieces stay in a core's cache from their arrival until they are added.)
  ///   - spanCount: floats that are reduced at a time, fewer than 2³¹.
  package init(
    _ communicator: Communicator, waitPolicy: WaitPolicy? = nil, transport: Precision = .float32,
    largeCount: Int = 1 << 14, pieceCount: Int = 1 << 16, spanCount: Int = 1 << 28
  ) {
    messages = PointToPoint(communicator, waitPolicy ?? communicator.waitPolicy)
    self.largeCount = largeCount
    self.pieceCount = pieceCount
    self.spanCount = spanCount
    self.transport = transport
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
      } else {
        switch transport {
        case .float32: sumLarge(values + start, values + start, count: count)
        case .bfloat16:
          let contents = MessageBuffer<BFloat16>(count: count)
          withExtendedLifetime(contents) { sumLarge(values + start, contents.start, count: count) }
        }
      }
    }
  }

  /// - Parameter contents: as many numbers, for what messages carry: `values` itself, or other memory.
  private func sumLarge<Number: MessageNumber>(
    _ values: UnsafeMutablePointer<Float>, _ contents: UnsafeMutablePointer<Number>, count: Int
  ) {
    if size & (size - 1) == 0 {
      recursiveHalving(values, contents, count: count)
    } else {
      directExchange(values, contents, count: count)
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

  /// Recursive doubling, for small arrays and any number of ranks: ⌈log₂⌉ rounds, each of which sends the whole array.
  ///
  /// In round k adjacent blocks of 2ᵏ ranks merge in pairs, left and right; every rank of a block holds the sum over the
  /// block. The last block may be shorter: then each of its ranks sends to several ranks of the left block.
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

  /// Recursive halving, for large arrays and a power of two of ranks R: a reduce-scatter, which exchanges 1/2, 1/4, …
  /// 1/R of the array with the rank at distance 1, 2, … R/2, then an all-gather, which repeats the exchanges in
  /// reverse.
  ///
  /// Neighbors exchange halves first: that gives the order of the pairwise sum, and most of the traffic stays between
  /// ranks of one machine, which are neighbors.
  private func recursiveHalving<Number: MessageNumber>(
    _ values: UnsafeMutablePointer<Float>, _ contents: UnsafeMutablePointer<Number>, count: Int
  ) {
    var kept = 0..<count
    var given: [Range<Int>] = []
    var distance = 1
    while distance < size {
      let middle = kept.lowerBound + kept.count / 2
      let halves = (kept.lowerBound..<middle, middle..<kept.upperBound)
      let isLeft = rank & distance == 0
      kept = isLeft ? halves.0 : halves.1
      let other = isLeft ? halves.1 : halves.0
      Number.round(values, to: contents, other)
      exchange(contents, sending: other, addingTo: values, kept, with: rank ^ distance)
      given.append(other)
      distance *= 2
    }
    // Also the sums of this rank are rounded, so that all ranks have the same.
    Number.round(values, to: contents, kept)
    while let other = given.popLast() {
      distance /= 2
      messages.exchange(
        contents + kept.lowerBound, kept.count, contents + other.lowerBound, other.count, with: rank ^ distance,
        Number.type)
      kept = min(kept.lowerBound, other.lowerBound)..<max(kept.upperBound, other.upperBound)
    }
    Number.widen(contents, to: values, kept)
  }

  /// Sends one part of an array to a rank and adds what that rank sends to the other part, in pieces.
  private func exchange<Number: MessageNumber>(
    _ contents: UnsafeMutablePointer<Number>, sending sent: Range<Int>, addingTo values: UnsafeMutablePointer<Float>,
    _ kept: Range<Int>, with other: Int
  ) {
    let pieceCount = pieceCount
    let window = 4
    let slots = MessageBuffer<Number>(count: min(window * pieceCount, kept.count))
    var incoming = [MPI_Request?](repeating: nil, count: window)
    var outgoing = incoming
    func piece(_ index: Int, of range: Range<Int>) -> Range<Int>? {
      let start = range.lowerBound + index * pieceCount
      return start < range.upperBound ? start..<min(start + pieceCount, range.upperBound) : nil
    }
    func receive(_ index: Int) {
      guard let piece = piece(index, of: kept) else { return }
      incoming[index % window] = messages.beginReceive(
        slots.start + index % window * pieceCount, piece.count, from: other, Number.type)
    }
    func send(_ index: Int) {
      guard let piece = piece(index, of: sent) else { return }
      outgoing[index % window] = messages.beginSend(contents + piece.lowerBound, piece.count, to: other, Number.type)
    }

    for index in 0..<window { receive(index) }
    for index in 0..<window { send(index) }
    // The halves of an odd count differ by one float, which may be a piece of its own.
    let pieces = max(sent.count, kept.count).dividedRoundingUp(by: pieceCount)
    for index in 0..<pieces {
      if let piece = piece(index, of: kept) {
        messages.wait(for: &incoming[index % window])
        Number.add(slots.start + index % window * pieceCount, to: values + piece.lowerBound, count: piece.count)
        receive(index + window)
      }
      if piece(index, of: sent) != nil {
        messages.wait(for: &outgoing[index % window])
        send(index + window)
      }
    }
  }

  /// Direct exchange, for large arrays and other numbers of ranks: a reduce-scatter, in which each rank receives all
  /// summands of the part that it owns and adds them, then an all-gather of the sums. The same traffic as recursive
  /// halving in more messages.
  private func directExchange<Number: MessageNumber>(
    _ values: UnsafeMutablePointer<Float>, _ contents: UnsafeMutablePointer<Number>, count: Int
  ) {
    let starts = (0...size).map { $0 * count / size }
    let part = { (rank: Int) in (contents + starts[rank], starts[rank + 1] - starts[rank]) }
    let own = starts[rank]..<starts[rank + 1]
    let summands = MessageBuffer<Number>(count: own.count * size)
    Number.round(values, to: contents, 0..<count)
    messages.exchangeWithAll(sent: part, received: { (summands.start + $0 * own.count, own.count) }, Number.type)
    let sums = summands.floats
    (sums.start + rank * own.count).update(from: values + own.lowerBound, count: own.count)
    var width = 1
    while width < size {
      for left in stride(from: 0, to: size - width, by: 2 * width) {
        Self.add(sums.start + (left + width) * own.count, to: sums.start + left * own.count, count: own.count)
      }
      width *= 2
    }
    (values + own.lowerBound).update(from: sums.start, count: own.count)
    Number.round(values, to: contents, own)
    messages.exchangeWithAll(sent: { _ in part(rank) }, received: part, Number.type)
    Number.widen(contents, to: values, 0..<count)
  }

  private static func add<Number: BinaryFloatingPoint>(
    _ summands: UnsafeMutablePointer<Number>, to sums: UnsafeMutablePointer<Number>, count: Int
  ) {
    for index in 0..<count { sums[index] += summands[index] }
  }
}
