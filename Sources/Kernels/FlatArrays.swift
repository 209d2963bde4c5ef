import Tensors

/// Sums of squares over parts of a flat array, in an order that depends on their lengths alone.
package enum SquareSums {
  /// - Returns: the sum of each range, in double precision; not finite exactly if one of its numbers is not.
  package static func of(_ floats: FloatSlice, over ranges: [Range<Int>], on workers: WorkerPool) -> [Double] {
    let microkernels = workers.microkernels
    let chunks = FlatChunks(ranges)
    var partial = [Double](repeating: 0, count: chunks.count)
    partial.withUnsafeMutableBufferPointer { partial in
      workers.parallelFor(chunks.count) { index, _ in
        let part = chunks[index].floats
        partial[index] = microkernels.sumOfSquares(floats.start + part.lowerBound, count: part.count)
      }
    }
    var sums = [Double](repeating: 0, count: ranges.count)
    for index in 0..<chunks.count { sums[chunks[index].range] += partial[index] }
    return sums
  }
}

/// Ranges of a flat array, cut into chunks of at most 2¹⁶ floats: tasks of similar length, in order.
struct FlatChunks {
  private let chunks: [(range: Int, floats: Range<Int>)]

  init(_ ranges: [Range<Int>]) {
    let most = 1 << 16
    chunks = ranges.indices.flatMap { range in
      stride(from: ranges[range].lowerBound, to: ranges[range].upperBound, by: most).map {
        (range, $0..<min($0 + most, ranges[range].upperBound))
      }
    }
  }

  var count: Int { chunks.count }
  /// A chunk, and the index of the range that it belongs to.
  subscript(index: Int) -> (range: Int, floats: Range<Int>) { chunks[index] }
}

/// Sums of flat arrays.
package enum FlatSum {
  /// Adds the floats of one array to those of another.
  package static func add(_ summand: FloatSlice, to sum: FloatSlice, on workers: WorkerPool) {
    precondition(summand.count == sum.count && sum.count.isMultiple(of: 8))
    let microkernels = workers.microkernels
    workers.forEachChunk(of: sum.count / 8, grain: 1 << 13) { chunk, _ in
      microkernels.add(
        summand.start + 8 * chunk.lowerBound, to: sum.start + 8 * chunk.lowerBound, count: 8 * chunk.count)
    }
  }
}

/// Exponential moving averages.
package enum MovingAverageKernel {
  /// `average ← average + fraction · (values − average)`.
  package static func update(_ average: FloatSlice, with values: FloatSlice, fraction: Float, on workers: WorkerPool) {
    precondition(average.count == values.count && average.count.isMultiple(of: 8))
    let microkernels = workers.microkernels
    workers.forEachChunk(of: average.count / 8, grain: 1 << 13) { chunk, _ in
      let first = average.start + 8 * chunk.lowerBound
      microkernels.lerp(
        first, values.start + 8 * chunk.lowerBound, fraction: fraction, into: first, count: 8 * chunk.count)
    }
  }
}
