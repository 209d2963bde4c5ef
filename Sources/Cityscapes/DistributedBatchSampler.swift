import Tensors

/// The order of the samples of an epoch.
package enum Shuffle: Sendable, Equatable {
  /// Another permutation in each epoch, the same for the same seed.
  case shuffled(seed: UInt64)
  /// In the order of the file names, the same in every epoch.
  case byFileName
  /// Shuffled; a part of each epoch is drawn class by class.
  case classUniform(ClassUniformSampling)

  /// The samples of epoch `epoch` in order, `count` of them from a split of so many.
  package func draws(epoch: Int, count: Int) -> [SampleDraw] {
    switch self {
    case .shuffled(let seed): Self.permutation(seed: seed, epoch: epoch, count: count).map { SampleDraw(index: $0) }
    case .byFileName: (0..<count).map { SampleDraw(index: $0) }
    case .classUniform(let sampling): sampling.draws(epoch: epoch, count: count)
    }
  }

  /// The order of an epoch that has each sample once.
  static func permutation(seed: UInt64, epoch: Int, count: Int) -> [Int] {
    var random = RandomNumbers(seed, RandomNumbers.hash("epoch order"), UInt64(epoch))
    return random.permutation(of: count)
  }
}

/// Splits an epoch into global batches and each global batch into contiguous shares, one a rank: PyTorch's
/// `DistributedSampler` and `BatchSampler` in one.
///
/// A global batch depends on the order of the epoch and the batch size alone. A run may therefore stop after any step
/// and resume on another number of ranks with exactly the samples that are left. The last incomplete batch of an epoch
/// is dropped.
package struct DistributedBatchSampler: Sendable {
  package let samples: Int
  package let batchSize: Int
  package let ranks: Int
  package var order: Shuffle

  /// - Throws: `DistributedBatchSamplerError` if there are fewer samples than a batch holds, or fewer in a batch than
  ///   ranks.
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

  /// The slots of each global batch that belong to a rank. The sizes of shares differ by at most one.
  package func share(of rank: Int) -> Range<Int> {
    precondition((0..<ranks).contains(rank))
    return rank * batchSize / ranks..<(rank + 1) * batchSize / ranks
  }

  /// A rank's share of each global batch of an epoch, from step `step` on.
  package func shares(of rank: Int, epoch: Int, from step: Int = 0) -> [[SampleDraw]] {
    precondition((0...stepsPerEpoch).contains(step))
    let draws = order.draws(epoch: epoch, count: samples)
    let share = share(of: rank)
    return (step..<stepsPerEpoch).map { step in share.map { draws[step * batchSize + $0] } }
  }
}

/// Why an epoch cannot be split into batches.
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
