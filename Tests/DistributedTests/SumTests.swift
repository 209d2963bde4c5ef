import Distributed
import Tensors
import Jobs
import Testing

extension RankPrograms {
  @Suite("Sums over ranks")
  struct SumTests {
    @Test("The sum over ranks has the bits of the tree sum over their summands", arguments: [1, 2, 3, 4, 7, 8])
    func floats(ranks: Int) throws {
      // Count, the count from which an array is large, and that of a piece: small, large, in pieces, less than a float
      // a rank.
      let cases = [[1000, 10_000, 1 << 20], [50_021, 1000, 1 << 20], [50_021, 1000, 9973], [1, 1, 100]]
      let job = try Job.run(ranks: ranks, ["sum-floats"] + cases.joined().map(String.init))
      #expect(job.status == 0)
      let expected = cases.map { "\(digest(of: sum(ranks: ranks, count: $0[0])))" }
      #expect(job.reports(ranks: ranks) == [[String]](repeating: expected, count: ranks))
    }

    @Test("Another order of the summands gives other bits, so that the test above means something")
    func orderMatters() {
      var other = TreeSum(count: 1000)
      for rank in [0, 2, 1, 3] { other.add(summand(of: rank, count: 1000)) }
      #expect(digest(of: sum(ranks: 4, count: 1000)) != digest(of: other.total()))
    }

    @Test("Sums of double precision have the bits of the tree sum", arguments: [1, 3, 4])
    func doubles(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "sum-doubles", "321")
      #expect(job.status == 0)
      let rows = (0..<ranks).map { summand(of: $0, count: 321).values.map { Double($0) / 3 } }
      var digest = Digest()
      for sum in TreeSum.total(rows) { digest.add(sum.bitPattern) }
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\(ranks) \(digest.value)"], count: ranks))
    }

    @Test("Buckets give every rank the same sums, in whatever order its gradients are complete", arguments: [1, 3])
    func buckets(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "buckets")
      #expect(job.status == 0)
      let total = sum(ranks: ranks, count: 3000)
      // RankProgram's parameters leave this gap.
      for index in 5..<16 { total.start[index] = 0 }
      let expected = "\(digest(of: total))"
      #expect(job.reports(ranks: ranks) == [[String]](repeating: [expected, expected], count: ranks))
    }

    @Test("A network's gradients are those of its store", arguments: [nil, 2])
    func store(launched: Int?) throws {
      let job = try Job.run(ranks: launched, "store")
      let ranks = launched ?? 1
      #expect(job.status == 0)
      let sum = Float(ranks * (ranks + 1) / 2)
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\([sum, sum, sum]) \([10 * sum])"], count: ranks))
    }

    private func sum(ranks: Int, count: Int) -> Floats {
      var tree = TreeSum(count: count)
      for rank in 0..<ranks { tree.add(summand(of: rank, count: count)) }
      return tree.total()
    }

    /// As in RankProgram.
    private func summand(of rank: Int, count: Int) -> Floats {
      var random = RandomNumbers(11, UInt64(rank))
      return Floats((0..<count).map { _ in Float(random.symmetric()) * Float(1 << random.below(12)) })
    }

    private func digest(of floats: Floats) -> UInt64 {
      var digest = Digest()
      digest.add(floats.start, count: floats.count)
      return digest.value
    }
  }
}
