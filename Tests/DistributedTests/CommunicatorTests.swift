import Distributed
import Foundation
import Jobs
import Machine
import Testing

extension RankPrograms {
  @Suite("Communicator")
  struct CommunicatorTests {
    @Test("A process without a launcher is a job of its own and does not initialize MPI")
    func singleProcess() throws {
      let job = try Job.run(ranks: nil, "facts")
      #expect(job.status == 0)
      #expect(job.output == ["0 size 1 local 0 of 1 mpi 0"])
    }

    @Test("Ranks under mpirun know their rank and the size", arguments: [1, 2, 4])
    func together(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "facts")
      #expect(job.status == 0)
      #expect(job.output.sorted() == (0..<ranks).map { "\($0) size \(ranks) local \($0) of \(ranks) mpi 1" })
    }

    @Test("A launched process that MPI does not connect fails: each would be rank 0")
    func refused() throws {
      let slurm = try Job.run(ranks: nil, "facts", environment: ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"])
      #expect(slurm.status == 3)
      #expect(slurm.output == [])
      #expect(slurm.errors.count == 1)
      #expect(slurm.errors[0].hasPrefix("gscnn: rank 2 on "))
      #expect(slurm.errors[0].contains("srun started 4 processes but MPI finds 1 of them"))
      #expect(slurm.errors[0].contains("srun --mpi=pmix"))

      let mpirun = try Job.run(
        ranks: nil, "facts", environment: ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"])
      #expect(mpirun.status == 3)
      #expect(mpirun.output == [])
      #expect(mpirun.errors.count == 1)
      #expect(mpirun.errors[0].hasPrefix("gscnn: rank 1 on "))
      #expect(mpirun.errors[0].contains("mpirun started 2 processes but MPI finds 1 of them"))
    }

    @Test("A single srun task and a command in a batch script need no MPI")
    func oneTask() throws {
      for tasks in ["SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"] {
        let job = try Job.run(ranks: nil, "facts", environment: [tasks.key: tasks.value, "SLURM_PROCID": "0"])
        #expect(job.output == ["0 size 1 local 0 of 1 mpi 0"])
      }
    }

    @Test("All-reduce, broadcast, gather and all-gather give each rank what MPI defines", arguments: [nil, 1, 3])
    func collectives(ranks: Int?) throws {
      let job = try Job.run(ranks: ranks, "collectives")
      #expect(job.status == 0)
      let size = ranks ?? 1
      let numbers = Array(0..<size)
      let sums = [size * (size + 1) / 2, size * (Int.max / 4) - size * (size - 1) / 2, size * (1 << 53 | 1)]
      let texts = numbers.map { $0 == 1 ? "" : "Zoë \($0)" }
      for (rank, reports) in job.reports(ranks: size).enumerated() {
        #expect(
          reports == [
            "sums \(sums)", "largest 0 \(size - 1)", "bytes [1, 2, 3]", "floats [0.5, -2.0]",
            "gathered \(rank == 0 ? numbers.map { [UInt8](repeating: UInt8($0), count: $0) } : [])",
            "words \(numbers.map { UInt64($0) << 60 })", "texts \(texts)",
          ])
      }
    }

    @Test("Ranks in a sleeping barrier use little processor time")
    func rest() throws {
      let job = try Job.run(ranks: 2, "rest")
      #expect(job.status == 0)
      let fields = try #require(job.reports(ranks: 2)[1].first).split(separator: " ").compactMap { Double($0) }
      try #require(fields.count == 2)
      #expect(fields[0] > 0.9)
      #expect(fields[1] < fields[0] / 2)
    }

    @Test("The threads of all ranks of a machine add up to its cores", arguments: [nil, 2])
    func layout(ranks: Int?) throws {
      let job = try Job.run(ranks: ranks, "layout")
      #expect(job.status == 0)
      let size = ranks ?? 1
      let threads = max(1, ProcessLayout.singleProcess.defaultThreads() / size)
      for reports in job.reports(ranks: size) {
        try #require(reports.count >= 3)
        #expect(reports[0] == "threads \(threads)")
        #expect(reports[1].hasPrefix("\(size == 1 ? "1 rank" : "\(size) ranks") on 1 machine, \(threads) thread"))
        #expect(
          reports[1].hasSuffix(size == 1 ? "; 5 images a step, 5 a rank" : "; 5 images a step, 2 or 3 a rank"))
        #expect(reports[2].contains(size == 1 ? ": rank 0, \(threads) thread" : ": ranks 0-1, \(threads) thread"))
      }
    }

    static let hasSeveralProcessors = Affinity.current.count >= 2

    @Test(
      "Each rank is pinned to its own NUMA node, unless GSCNN_BIND=none",
      .enabled(if: hasSeveralProcessors, "needs two processors"))
    func binding() throws {
      let processors = Affinity.current
      let (first, second) = (processors[0], processors[1])
      let machine = try SimulatedMachine(caches: [], nodes: [first..<first + 1, second..<second + 1])
      let words = ["bind", machine.root, "\(first)", "\(second)"]
      let bound = try Job.run(ranks: 2, words)
      #expect(bound.reports(ranks: 2) == [["[\(first)] threads 1"], ["[\(second)] threads 1"]])
      let free = try Job.run(ranks: 2, words, environment: ["GSCNN_BIND": "none"])
      #expect(free.reports(ranks: 2).allSatisfy { $0.first?.hasPrefix("\(processors) ") == true })
      let alone = try Job.run(ranks: nil, words)
      #expect(alone.reports(ranks: 1)[0].first?.hasPrefix("\(processors) ") == true)
    }

    @Test(
      "The number of threads follows the affinity mask that a launcher set",
      .enabled(if: hasSeveralProcessors, "needs two processors"))
    func mask() throws {
      let processors = Affinity.current
      let confined = try Job.run(
        "RankProgram", ["layout"], under: ["taskset", "-c", "\(processors[1])"])
      #expect(confined.reports(ranks: 1)[0].first == "threads 1")
      #expect(confined.output.contains { $0.contains(" idle") })
      let bound = try Job.run(ranks: 2, ["layout"], mpirun: ["--bind-to", "core"])
      #expect(bound.reports(ranks: 2).map(\.first) == ["threads 1", "threads 1"])
    }
  }
}
