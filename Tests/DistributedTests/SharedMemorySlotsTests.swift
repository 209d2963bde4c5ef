import Distributed
import Foundation
import Jobs
import Testing

extension RankPrograms {
  @Suite("Shared memory slots")
  struct SharedMemorySlotsTests {
    @Test("Each slot is filled by one rank and read by all", arguments: [nil, 1, 2, 4])
    func filledOnce(ranks: Int?) throws {
      let job = try Job.run(ranks: ranks, "slots", "300", "-1")
      #expect(job.status == 0, "\(job.errors)")
      for reports in job.reports(ranks: ranks ?? 1) {
        #expect(reports == ["filled 300 published 300 wrong 0", "beyond true"])
      }
    }

    @Test("A slot that is claimed and never published blocks no rank", arguments: [2, 3])
    func lost(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "slots", "40", "7")
      #expect(job.status == 0, "\(job.errors)")
      for reports in job.reports(ranks: ranks) { #expect(reports.first == "filled 39 published 39 wrong 0") }
    }

    @Test("A request for more memory than the machine has is an error in one line")
    func refused() throws {
      // 10⁸ slots of 40 kB.
      let job = try Job.run(
        ranks: 2, ["slots", "100000000", "-1"], environment: ["OMPI_MCA_osc_sm_backing_directory": "/dev/shm"],
        mpirun: ["--quiet"])
      #expect(job.status != 0)
      #expect(job.errors.last?.contains("GB of shared memory cannot be allocated") == true, "\(job.errors)")
    }

    @Test("The room for shared memory is known")
    func memory() throws {
      let shared = try #require(SharedMemorySlots.availableMemory())
      #expect(shared.folder.hasPrefix("/") && shared.bytes >= 0)
    }
  }
}
