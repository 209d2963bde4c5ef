import Distributed
import Tensors
import Jobs
import Testing

extension RankPrograms {
  @Suite("Sums over ranks")
  struct SumTests {
    @Test("The sum over ranks has the bits of the tree sum over their summands", arguments: [1, 2, 3, 4, 7, 8])
    func floats(ranks: Int) throws {
      // Count, the count from which an array is large, that of a piece and that of a span: small; large, in one piece, in
      // many, in one more on the one side than on the other; in spans; less than a float a rank.
      let cases = [
        [1000, 10_000, 1 << 15, 1 << 20], [50_021, 1000, 1 << 15, 1 << 20], [50_021, 1000, 997, 1 << 20],
        [4001, 1000, 500, 1 << 20], [50_021, 1000, 1 << 15, 9973], [1, 1, 100, 100],
      ]
      let job = try Job.run(ranks: ranks, ["sum-floats"] + cases.joined().map(String.init))
      #expect(job.status == 0)
      let expected = cases.map { "\(digest(of: sum(ranks: ranks, count: $0[0])))" }
      #expect(job.reports(ranks: ranks) == [[String]](repeating: expected, count: ranks))
    }

    @Test("Another order of the summands gives other bits, so that the test above means something")
    func orderMatters() {
      var other = PairwiseSum(count: 1000)
      for rank in [0, 2, 1, 3] { other.add(consuming: summand(of: rank, count: 1000)) }
      #expect(digest(of: sum(ranks: 4, count: 1000)) != digest(of: other.total()))
    }

    @Test("Sums of double precision have the bits of the tree sum", arguments: [1, 3, 4])
    func doubles(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "sum-doubles", "321")
      #expect(job.status == 0)
      let rows = (0..<ranks).map { summand(of: $0, count: 321).values.map { Double($0) / 3 } }
      var digest = Digest()
      for sum in PairwiseSum.total(rows) { digest.add(sum.bitPattern) }
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\(ranks) \(digest.value)"], count: ranks))
    }

    @Test(
      "Buckets give every rank the same sums, in whatever order and whenever its gradients are complete, also where MPI allows one thread at a time",
      arguments: [1, 3, 4], ["beside", "between"])
    func buckets(ranks: Int, place: String) throws {
      let job = try Job.run(ranks: ranks, "buckets", place)
      #expect(job.status == 0)
      let total = sum(ranks: ranks, count: 3000)
      // RankProgram's parameters leave this gap.
      for index in 5..<16 { total.start[index] = 0 }
      let expected = "\(digest(of: total))"
      let others = "\([Double(ranks * ranks * ranks * ranks * ranks * ranks)])"
      #expect(job.reports(ranks: ranks) == [[String]](repeating: [expected, expected, others], count: ranks))
    }

    @Test("A rank whose sums wait for another leaves its core alone")
    func waitPolicy() throws {
      let job = try Job.run(ranks: 2, "patience")
      #expect(job.status == 0)
      let (wall, processor) = try #require(
        job.reports(ranks: 2)[1].first.map { $0.split(separator: " ").compactMap { Double($0) } }.map { ($0[0], $0[1]) }
      )
      #expect(wall > 0.9)
      #expect(processor < 0.2 * wall, "\(processor) s of processor time in \(wall) s")
    }

    @Test("Clocks of machines are compared to a few ms")
    func clocks() throws {
      let job = try Job.run(ranks: 3, "clocks")
      #expect(job.status == 0)
      for (rank, lines) in job.reports(ranks: 3).enumerated() {
        let lead = try #require(lines.first.flatMap { Double($0) })
        #expect(abs(lead - 1000 * Double(rank)) < 0.5)
      }
    }

    @Test("A network's gradients are those of its store", arguments: [nil, 2])
    func store(launched: Int?) throws {
      let job = try Job.run(ranks: launched, "store")
      let ranks = launched ?? 1
      #expect(job.status == 0)
      let sum = Float(ranks * (ranks + 1) / 2)
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\([sum, sum, sum]) \([10 * sum])"], count: ranks))
    }

    private func sum(ranks: Int, count: Int) -> FloatSlice {
      var tree = PairwiseSum(count: count)
      for rank in 0..<ranks { tree.add(consuming: summand(of: rank, count: count)) }
      return tree.total()
    }

    /// As in RankProgram.
    private func summand(of rank: Int, count: Int) -> FloatSlice {
      var random = RandomNumbers(11, UInt64(rank))
      return FloatSlice((0..<count).map { _ in Float(random.uniform(in: -1..<1)) * Float(1 << random.uniform(below: 12)) })
    }

    private func digest(of floats: FloatSlice) -> UInt64 {
      var digest = Digest()
      digest.add(floats.start, count: floats.count)
      return digest.value
    }
  }
}
