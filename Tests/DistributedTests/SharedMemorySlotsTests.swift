import Distributed
import Foundation
import Jobs
import Machine
import Testing

extension RankPrograms {
  @Suite("Shared places")
  struct SharedSlotsTests {
    @Test("Each is filled by one rank and read by all, whole", arguments: [nil, 1, 2, 4])
    func filledOnce(ranks: Int?) throws {
      let job = try Job.run(ranks: ranks, "slots", "300", "-1")
      #expect(job.status == 0, "\(job.errors)")
      for reports in job.reports(ranks: ranks ?? 1) {
        #expect(reports == ["filled 300 published 300 wrong 0", "beyond true"])
      }
    }

    @Test("A rank that never comes back to a place keeps nobody waiting", arguments: [2, 3])
    func lost(ranks: Int) throws {
      let job = try Job.run(ranks: ranks, "slots", "40", "7")
      #expect(job.status == 0, "\(job.errors)")
      for reports in job.reports(ranks: ranks) { #expect(reports.first == "filled 39 published 39 wrong 0") }
    }

    @Test("More than there is room for is refused in one line with what to do")
    func refused() throws {
      // A million places of 40 kB.
      let job = try Job.run(
        ranks: 2, ["slots", "100000000", "-1"], environment: ["OMPI_MCA_osc_sm_backing_directory": "/dev/shm"],
        mpirun: ["--quiet"])
      #expect(job.status != 0)
      #expect(job.errors.last?.contains("GB of shared memory cannot be had") == true, "\(job.errors)")
    }

    @Test("What a machine has left is known here")
    func memory() throws {
      let available = try #require(MachineMemory.available())
      #expect(available > 1 << 20)
      let shared = try #require(SharedMemorySlots.availableMemory())
      #expect(shared.folder.hasPrefix("/"))
    }
  }
}
