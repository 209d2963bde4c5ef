import COpenMPI
import Tensors

/// Sums arrays over the ranks in the order of `TreeSum`, whatever the size of the array and the number of ranks.
///
/// Every rank ends with the same bits. They are those of a `TreeSum` over one summand a rank; and where each summand is
/// itself the tree sum over a rank's pictures, and every rank holds the same power of two of them, those of the tree sum
/// over the pictures of the global batch. MPI_Allreduce promises neither.
package struct TreeAllReduce: Sendable {
  private let communicator: Communicator
  private let largeCount: Int
  private let pieceCount: Int

  /// - Parameters:
  ///   - largeCount: from this many floats on a rank sends what it must and no more; below, it sends the whole array a
  ///     few times, in fewer messages. (64 KiB.)
  ///   - pieceCount: floats that are summed at a time, fewer than 2³¹.
  package init(_ communicator: Communicator, largeCount: Int = 1 << 14, pieceCount: Int = 1 << 28) {
    self.communicator = communicator
    self.largeCount = largeCount
    self.pieceCount = pieceCount
  }

  /// Replaces each float by its sum over the ranks; `count` is the same on all ranks.
  package func sum(_ values: UnsafeMutablePointer<Float>, count: Int) {
    guard communicator.size > 1 else { return }
    for start in stride(from: 0, to: count, by: pieceCount) {
      let count = min(pieceCount, count - start)
      if count < max(largeCount, communicator.size) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scratch in
          guard let scratch = scratch.baseAddress else { return }
          sumByDoubling(values + start, count: count, scratch: scratch, mpiFloat())
        }
      } else if communicator.size & (communicator.size - 1) == 0 {
        sumByHalving(values + start, count: count)
      } else {
        sumByOwners(values + start, count: count)
      }
    }
  }

  /// Replaces each number by its sum over the ranks; the count is the same on all ranks.
  package func sum(_ values: inout [Double]) {
    guard communicator.size > 1, !values.isEmpty else { return }
    var scratch = [Double](repeating: 0, count: values.count)
    values.withUnsafeMutableBufferPointer { values in
      scratch.withUnsafeMutableBufferPointer { scratch in
        guard let start = values.baseAddress, let scratch = scratch.baseAddress else { return }
        sumByDoubling(start, count: values.count, scratch: scratch, mpiDouble())
      }
    }
  }

  /// For small arrays, any number of ranks: log₂ rounds, in each of which the whole array travels.
  ///
  /// Round by round, blocks of 1, 2, 4, … neighbouring ranks that know the sum over their block join in pairs, left and
  /// right. The last block may be shorter: then its ranks serve several ranks of the left block each.
  private func sumByDoubling<Number: BinaryFloatingPoint>(
    _ values: UnsafeMutablePointer<Number>, count: Int, scratch: UnsafeMutablePointer<Number>, _ type: MPI_Datatype?
  ) {
    let (rank, size) = (communicator.rank, communicator.size)
    var width = 1
    while width < size {
      let left = rank / (2 * width) * (2 * width)
      let right = left + width
      let end = min(right + width, size)
      if right < end {
        let isLeft = rank < right
        let place = isLeft ? rank - left : rank - right
        if isLeft && place >= end - right {
          receive(scratch, count, from: right + place % (end - right), type)
        } else {
          exchange(values, count, scratch, count, with: isLeft ? right + place : left + place, type)
          if !isLeft {
            for other in stride(from: left + place + end - right, to: right, by: end - right) {
              send(values, count, to: other, type)
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
  /// Neighbours exchange halves first: the sums are those of the tree, and ranks on one machine, which are neighbours,
  /// keep the greatest part of the traffic to themselves.
  private func sumByHalving(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let (rank, size) = (communicator.rank, communicator.size)
    let scratch = Buffer(count: count - count / 2)
    var kept = 0..<count
    var given: [Range<Int>] = []
    var distance = 1
    while distance < size {
      let middle = kept.lowerBound + kept.count / 2
      let halves = (kept.lowerBound..<middle, middle..<kept.upperBound)
      let isLeft = rank & distance == 0
      kept = isLeft ? halves.0 : halves.1
      let other = isLeft ? halves.1 : halves.0
      exchange(
        values + other.lowerBound, other.count, scratch.start, kept.count, with: rank ^ distance, mpiFloat())
      Self.add(scratch.start, to: values + kept.lowerBound, count: kept.count)
      given.append(other)
      distance *= 2
    }
    while let other = given.popLast() {
      distance /= 2
      exchange(
        values + kept.lowerBound, kept.count, values + other.lowerBound, other.count, with: rank ^ distance, mpiFloat())
      kept = min(kept.lowerBound, other.lowerBound)..<max(kept.upperBound, other.upperBound)
    }
  }

  /// For large arrays and other numbers of ranks: each rank is sent everybody's summands of the part that it owns, adds
  /// them up and hands out the sum. As much travels as by halving, in more messages.
  private func sumByOwners(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let (rank, size) = (communicator.rank, communicator.size)
    let starts = (0...size).map { $0 * count / size }
    let counts = (0..<size).map { Int32(starts[$0 + 1] - starts[$0]) }
    let offsets = starts.map { Int32($0) }
    let own = Int(counts[rank])
    let summands = Buffer(count: own * size)
    let receivedCounts = [Int32](repeating: Int32(own), count: size)
    let receivedOffsets = (0..<size).map { Int32($0 * own) }
    communicator.check(
      MPI_Alltoallv(
        values, counts, offsets, mpiFloat(), summands.start, receivedCounts, receivedOffsets, mpiFloat(),
        communicator.handle), "sum over the ranks")
    var width = 1
    while width < size {
      for left in stride(from: 0, to: size - width, by: 2 * width) {
        Self.add(summands.start + (left + width) * own, to: summands.start + left * own, count: own)
      }
      width *= 2
    }
    (values + starts[rank]).update(from: summands.start, count: own)
    communicator.check(
      MPI_Allgatherv(
        mpiInPlace(), 0, mpiFloat(), values, counts, offsets, mpiFloat(), communicator.handle), "sum over the ranks")
  }

  private static func add<Number: BinaryFloatingPoint>(
    _ summands: UnsafeMutablePointer<Number>, to sums: UnsafeMutablePointer<Number>, count: Int
  ) {
    for index in 0..<count { sums[index] += summands[index] }
  }

  // MARK: - Messages

  private func exchange(
    _ sent: UnsafeRawPointer, _ sentCount: Int, _ received: UnsafeMutableRawPointer, _ receivedCount: Int,
    with other: Int, _ type: MPI_Datatype?
  ) {
    communicator.check(
      MPI_Sendrecv(
        sent, Int32(sentCount), type, Int32(other), Tag.treeSum, received, Int32(receivedCount), type, Int32(other),
        Tag.treeSum, communicator.handle, mpiIgnoreStatus()), "sum over the ranks")
  }

  private func send(_ sent: UnsafeRawPointer, _ count: Int, to other: Int, _ type: MPI_Datatype?) {
    communicator.check(
      MPI_Send(sent, Int32(count), type, Int32(other), Tag.treeSum, communicator.handle), "sum over the ranks")
  }

  private func receive(_ received: UnsafeMutableRawPointer, _ count: Int, from other: Int, _ type: MPI_Datatype?) {
    communicator.check(
      MPI_Recv(
        received, Int32(count), type, Int32(other), Tag.treeSum, communicator.handle, mpiIgnoreStatus()),
      "sum over the ranks")
  }
}
