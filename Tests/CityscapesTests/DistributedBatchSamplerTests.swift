import Cityscapes
import Testing

@Suite("The distributed batch sampler") struct DistributedBatchSamplerTests {
  @Test("Each epoch has every sample once, in its own order")
  func permutation() {
    func indices(_ order: Shuffle, _ epoch: Int, _ count: Int) -> [Int] {
      let draws = order.draws(epoch: epoch, count: count)
      #expect(draws.allSatisfy { $0.occurrence == 0 && $0.centroid == nil })
      return draws.map(\.index)
    }
    let order = Shuffle.shuffled(seed: 5)
    let first = indices(order, 0, 101)
    #expect(first.sorted() == Array(0..<101))
    #expect(first == indices(order, 0, 101))
    #expect(first != indices(order, 1, 101))
    #expect(first != indices(.shuffled(seed: 6), 0, 101))
    #expect(indices(.byFileName, 3, 4) == [0, 1, 2, 3])
    #expect(indices(order, 0, 1) == [0])
  }

  @Test("All orders are equally likely")
  func fairness() {
    var counts: [[Int]: Int] = [:]
    for epoch in 0..<6000 {
      counts[Shuffle.shuffled(seed: 1).draws(epoch: epoch, count: 3).map(\.index), default: 0] += 1
    }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 145 })
  }

  @Test("Global batches do not depend on the number of ranks", arguments: [2, 3, 4, 5, 7])
  func ranks(ranks: Int) throws {
    let order = Shuffle.shuffled(seed: 2)
    let single = try DistributedBatchSampler(samples: 40, batchSize: 7, ranks: 1, order: order)
    let distributed = try DistributedBatchSampler(samples: 40, batchSize: 7, ranks: ranks, order: order)
    #expect(distributed.stepsPerEpoch == 5)
    let whole = single.shares(of: 0, epoch: 3)
    let shares = (0..<ranks).map { distributed.shares(of: $0, epoch: 3) }
    for step in 0..<5 { #expect(shares.flatMap { $0[step] } == whole[step]) }
    let sizes = (0..<ranks).map { distributed.share(of: $0).count }
    #expect(try #require(sizes.min()) >= 1 && #require(sizes.max()) <= #require(sizes.min()) + 1)
    #expect(Set(whole.joined()).count == 35, "no sample occurs twice")
  }

  @Test("An epoch resumes after any step with the samples that are left, also on another number of ranks")
  func resume() throws {
    let order = Shuffle.shuffled(seed: 2)
    let two = try DistributedBatchSampler(samples: 20, batchSize: 4, ranks: 2, order: order)
    let four = try DistributedBatchSampler(samples: 20, batchSize: 4, ranks: 4, order: order)
    let whole = (0..<2).map { two.shares(of: $0, epoch: 1) }
    let rest = (0..<4).map { four.shares(of: $0, epoch: 1, from: 3) }
    for step in 3..<5 { #expect(whole.flatMap { $0[step] } == rest.flatMap { $0[step - 3] }) }
    #expect(rest[0].count == 2)
    #expect(two.shares(of: 0, epoch: 1, from: 5).isEmpty)
  }

  @Test("Fewer images than a batch, fewer in a batch than ranks, and an empty batch are errors")
  func refused() {
    let few = #expect(throws: DistributedBatchSamplerError.self) {
      try DistributedBatchSampler(samples: 3, batchSize: 4, ranks: 1, order: .byFileName)
    }
    #expect(few.map { "\($0)" } == "a batch of 4 images is too large: the training split holds only 3")
    let ranks = #expect(throws: DistributedBatchSamplerError.self) {
      try DistributedBatchSampler(samples: 30, batchSize: 4, ranks: 5, order: .byFileName)
    }
    #expect(ranks == .moreRanksThanSamples(batchSize: 4, ranks: 5))
    #expect(throws: DistributedBatchSamplerError.emptyBatch) {
      try DistributedBatchSampler(samples: 30, batchSize: 0, ranks: 1, order: .byFileName)
    }
  }
}
