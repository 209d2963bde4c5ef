/// Cuts an epoch into global batches and each of those into contiguous shares, one a rank.
///
/// Which samples a global batch holds depends on the order of the epoch and the batch size alone, so a run may stop
/// after any step and go on with another number of ranks on exactly the samples not yet seen. The last incomplete
/// batch of an epoch is dropped.
package struct DistributedBatchSampler: Sendable {
  package let samples: Int
  package let batchSize: Int
  package let ranks: Int
  package let order: Shuffle

  /// - Throws: `DistributedBatchSamplerError` where there are fewer samples than a batch holds, or fewer in a batch than ranks.
  package init(samples: Int, batchSize: Int, ranks: Int, order: Shuffle) throws(DistributedBatchSamplerError) {
    guard batchSize >= 1 else { throw .emptyBatch }
    guard batchSize >= ranks else { throw .moreRanksThanSamples(batchSize: batchSize, ranks: ranks) }
    guard samples >= batchSize else { throw .fewerSamplesThanBatch(samples: samples, batchSize: batchSize) }
    self.samples = samples
    self.batchSize = batchSize
    self.ranks = ranks
    self.order = order
  }

  package var stepsPerEpoch: Int { samples / batchSize }

  /// The places in each global batch that belong to a rank; shares differ by one at most.
  package func share(of rank: Int) -> Range<Int> {
    precondition((0..<ranks).contains(rank))
    return rank * batchSize / ranks..<(rank + 1) * batchSize / ranks
  }

  /// The sample indices of a rank's share of each global batch of an epoch, from step `step` on.
  package func shares(of rank: Int, epoch: Int, from step: Int = 0) -> [[Int]] {
    precondition((0...stepsPerEpoch).contains(step))
    let indices = order.indices(epoch: epoch, count: samples)
    let share = share(of: rank)
    return (step..<stepsPerEpoch).map { step in share.map { indices[step * batchSize + $0] } }
  }
}

/// Why an epoch cannot be cut into batches.
package enum DistributedBatchSamplerError: Error, Equatable, CustomStringConvertible {
  case emptyBatch
  case moreRanksThanSamples(batchSize: Int, ranks: Int)
  case fewerSamplesThanBatch(samples: Int, batchSize: Int)

  package var description: String {
    switch self {
    case .emptyBatch:
      "a batch needs at least one image"
    case .moreRanksThanSamples(let batchSize, let ranks):
      "a batch of \(batchSize) images is too small for \(ranks) ranks, which need one each"
    case .fewerSamplesThanBatch(let samples, let batchSize):
      "a batch of \(batchSize) images is too large: the training split holds only \(samples)"
    }
  }
}
