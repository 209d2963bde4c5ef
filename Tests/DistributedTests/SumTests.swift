import Distributed
import Jobs
import System
import Tensors
import Testing

extension RankPrograms {
  @Suite("All-reduce")
  struct SumTests {
    @Test("The all-reduce has the bits of the pairwise sum over the ranks' summands", arguments: [1, 2, 3, 4, 7, 8])
    func floats(ranks: Int) throws {
      // count, largeCount, pieceCount, spanCount: small; large, in one piece, in many, in one more on one side than on
      // the other; in spans; less than a float a rank.
      let cases = [
        [1000, 10_000, 1 << 15, 1 << 20], [50_021, 1000, 1 << 15, 1 << 20], [50_021, 1000, 997, 1 << 20],
        [4001, 1000, 500, 1 << 20], [50_021, 1000, 1 << 15, 9973], [1, 1, 100, 100],
      ]
      let job = try Job.run(ranks: ranks, ["sum-floats"] + cases.joined().map(String.init))
      #expect(job.status == 0)
      let expected = cases.map { "\(hash(of: sum(ranks: ranks, count: $0[0])))" }
      #expect(job.reports(ranks: ranks) == [[String]](repeating: expected, count: ranks))
    }

    @Test("Another order of the summands gives other bits, so the test above can fail")
    func orderMatters() {
      var other = PairwiseSum(count: 1000)
      for rank in [0, 2, 1, 3] { other.add(consuming: summand(of: rank, count: 1000)) }
      #expect(hash(of: sum(ranks: 4, count: 1000)) != hash(of: other.total()))
    }

    @Test(
      "In bfloat16 messages every rank gets the same sums, which are off by a rounding a level; small integers are exact",
      arguments: [1, 2, 3, 4, 7, 8])
    func bfloat16(ranks: Int) throws {
      // count, pieceCount, spanCount: in one piece, in many, in spans.
      let cases = [[50_021, 1 << 15, 1 << 20], [50_021, 997, 1 << 20], [50_021, 1 << 15, 9973], [ranks, 100, 100]]
      let job = try Job.run(ranks: ranks, ["sum-bfloat16"] + cases.joined().map(String.init))
      #expect(job.status == 0)
      let reports = job.reports(ranks: ranks)
      #expect(Set(reports).count == 1)
      let words = reports[0].map { $0.split(separator: " ") }
      try #require(words.count == cases.count)
      // Each level rounds what is sent, at most 2⁻⁸ of it, and the sums are rounded once more.
      let levels = (0..<8).first { 1 << $0 >= ranks } ?? 8
      for line in words {
        let error = try #require(Double(line[1]))
        #expect(error <= (ranks == 1 ? 0 : Double(levels + 1) / 256 * 1.01))
        #expect(line[2] == "true")
      }
      #expect(words[0][0] == words[1][0], "the pieces of a message do not change the sums")
      #expect((words[0][0] != "\(hash(of: sum(ranks: ranks, count: 50_021)))") == (ranks > 1))
    }

    @Test("The all-reduce of doubles has the bits of the pairwise sum", arguments: [1, 3, 4])
    func doubles(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "sum-doubles", "321")
      #expect(job.status == 0)
      let rows = (0..<ranks).map { summand(of: $0, count: 321).values.map { Double($0) / 3 } }
      let hash = PairwiseSum.total(rows).withUnsafeBytes(XXH64.hash)
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\(ranks) \(hash)"], count: ranks))
    }

    @Test(
      "Parts of a communicator sum their own ranks, in the order of the pairwise sum, beside the whole",
      arguments: [(4, 2), (4, 1), (6, 3), (1, 1), (3, 4)])
    func split(ranks: Int, width: Int) throws {
      let job = try Job.run(ranks: ranks, "split", "\(width)")
      #expect(job.status == 0)
      let expected = (0..<ranks).map { rank in
        let row = (0..<ranks).filter { $0 / width == rank / width }
        let column = (0..<ranks).filter { $0 % width == rank % width }
        let sums = [row, column].map { part in
          let rows = part.map { summand(of: $0, count: 321).values.map { Double($0) / 3 } }
          let doubles = PairwiseSum.total(rows).withUnsafeBytes(XXH64.hash)
          return "\(hash(of: sum(part, count: 40_000))) \(doubles)"
        }
        return [
          "row \(rank % width) of \(row.count), column \(rank / width) of \(column.count)", "true", sums[0], sums[1],
          "\([Double(ranks * ranks)])",
        ]
      }
      #expect(job.reports(ranks: ranks) == expected)
    }

    @Test(
      "Buckets give every rank the same sums, in whatever order gradients become ready, overlapped or not",
      arguments: [1, 3, 4], ["overlapped", "sequential"])
    func buckets(ranks: Int, mode: String) throws {
      let job = try Job.run(ranks: ranks, "buckets", mode)
      #expect(job.status == 0)
      let total = sum(ranks: ranks, count: 3000)
      // RankProgram's parameters leave this gap.
      for index in 5..<16 { total.start[index] = 0 }
      let expected = "\(hash(of: total))"
      let others = "\([Double(ranks * ranks * ranks * ranks * ranks * ranks)])"
      #expect(job.reports(ranks: ranks) == [[String]](repeating: [expected, expected, others], count: ranks))
    }

    @Test("A communication thread that waits for another rank uses little processor time")
    func waitPolicy() throws {
      let job = try Job.run(ranks: 2, "backoff")
      #expect(job.status == 0)
      let (wall, processor) = try #require(
        job.reports(ranks: 2)[1].first.map { $0.split(separator: " ").compactMap { Double($0) } }.map { ($0[0], $0[1]) }
      )
      #expect(wall > 0.9)
      #expect(processor < 0.2 * wall, "\(processor) s of processor time in \(wall) s")
    }

    @Test("The offsets of clocks that are 1000 s apart are measured")
    func clocks() throws {
      let job = try Job.run(ranks: 3, "clocks")
      #expect(job.status == 0)
      for (rank, lines) in job.reports(ranks: 3).enumerated() {
        let offset = try #require(lines.first.flatMap { Double($0) })
        #expect(abs(offset - 1000 * Double(rank)) < 0.5)
      }
    }

    @Test("The gradients of a parameter store are summed over the ranks", arguments: [nil, 2])
    func store(launched: Int?) throws {
      let job = try Job.run(ranks: launched, "store")
      let ranks = launched ?? 1
      #expect(job.status == 0)
      let sum = Float(ranks * (ranks + 1) / 2)
      #expect(job.reports(ranks: ranks) == [[String]](repeating: ["\([sum, sum, sum]) \([10 * sum])"], count: ranks))
    }

    private func sum(ranks: Int, count: Int) -> FloatSlice { sum(Array(0..<ranks), count: count) }

    private func sum(_ ranks: [Int], count: Int) -> FloatSlice {
      var tree = PairwiseSum(count: count)
      for rank in ranks { tree.add(consuming: summand(of: rank, count: count)) }
      return tree.total()
    }

    /// As in RankProgram.
    private func summand(of rank: Int, count: Int) -> FloatSlice {
      var random = RandomNumbers(11, UInt64(rank))
      return FloatSlice(
        (0..<count).map { _ in Float(random.uniform(in: -1..<1)) * Float(1 << random.uniform(below: 12)) })
    }

    private func hash(of floats: FloatSlice) -> UInt64 { floats.values.withUnsafeBytes(XXH64.hash) }
  }
}
