import Jobs
import Testing

extension RankPrograms {
  @Suite("How a job ends")
  struct EndingTests {
    @Test(
      "An error on any rank ends the job with its message as the last line",
      arguments: zip([1, 2, 3, 4], [[], [], ["-q"], []]))
    func thrown(ranks: Int, options: [String]) throws {
      let job = try Job.run(ranks: ranks, "throw", "\(ranks - 1)", mpirun: options)
      #expect(job.status == 3)
      #expect(job.output == [])
      let line = try #require(job.lastError)
      #expect(line.hasPrefix(ranks == 1 ? "gscnn: data/lost.png" : "gscnn: rank \(ranks - 1) on "))
      #expect(line.hasSuffix("data/lost.png: cannot be read; restore it"))
    }

    @Test("A single process reports its error without a rank")
    func thrownAlone() throws {
      let job = try Job.run(ranks: nil, "throw", "0")
      #expect(job.status == 3)
      #expect(job.errors == ["gscnn: data/lost.png: cannot be read; restore it"])
    }

    @Test("A killed rank ends the job", arguments: [2])
    func killed(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "kill", "1")
      #expect(job.status != 0)
      #expect(job.output == [])
      #expect(job.errors.contains { $0.contains("signal 9") })
    }

    @Test("An error inside MPI ends the job and names the rank")
    func misuse() throws {
      let job = try Job.run(ranks: 2, "misuse")
      #expect(job.status == 1)
      #expect(job.output == [])
      let line = try #require(job.lastError)
      #expect(line.hasPrefix("gscnn: rank "))
      #expect(line.contains("MPI failed (broadcast): MPI_ERR_ROOT"))
    }

    @Test("Equal replicas pass", arguments: [nil, 3])
    func equalReplicas(ranks: Int?) throws {
      let job = try Job.run(ranks: ranks, "replicas", "parameter", "0", "1", "2")
      #expect(job.status == 0)
      #expect(job.output.count == ranks ?? 1)
    }

    @Test(
      "A replica in which one bit differs is named in one line, with its first tensor that differs",
      arguments: [
        (ranks: 4, odd: 3, place: "parameter", tensor: "conv.weight"), (3, 0, "statistic", "bn.running_mean"),
        (2, 1, "momentum", "the momentum of head.bias"),
      ])
    func oddReplica(ranks: Int, odd: Int, place: String, tensor: String) throws {
      let job = try Job.run(ranks: ranks, "replicas", place, "\(odd)")
      #expect(job.status == 3)
      #expect(job.output == [])
      try #require(job.errors.count == 1)
      let line = job.errors[0]
      #expect(line.contains("replica of rank \(odd) on "))
      #expect(line.contains("(first in \(tensor)) differs from "))
      #expect(line.contains(odd == 0 ? "differs from those of the other ranks" : "differs from rank 0's"))
      #expect(line.contains("either may be the wrong one") == (ranks == 2))
      #expect(line.hasSuffix("restart from the last checkpoint"))
    }

    @Test(
      "A signal to one rank stops all ranks after the same step",
      arguments: [("TERM", 75), ("USR1", 75), ("INT", 130), ("TERM INT", 75)])
    func signal(names: String, status: Int32) throws {
      let signals = names.split(separator: " ").map(String.init)
      let job = try Job.run(ranks: 3, ["signal", "2"] + signals)
      #expect(job.status == status)
      #expect(job.reports(ranks: 3) == [[String]](repeating: ["stopped after step 3 with \(status)"], count: 3))

      let alone = try Job.run(ranks: nil, ["signal", "0"] + signals)
      #expect(alone.status == status)
      #expect(alone.output == ["0 stopped after step 3 with \(status)"])
    }

    @Test("Without a signal nothing stops")
    func noSignal() throws {
      let job = try Job.run(ranks: 2, "signal", "0")
      #expect(job.status == 0)
      #expect(job.output.sorted() == ["0 was not stopped", "1 was not stopped"])
    }

    @Test("A second Ctrl-C ends the process at once")
    func secondInterruption() throws {
      let job = try Job.run(ranks: nil, "signal", "0", "INT", "INT")
      #expect(job.status == 130)
      #expect(job.output == [])
    }
  }
}
