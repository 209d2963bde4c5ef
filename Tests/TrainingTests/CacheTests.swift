import Distributed
import Foundation
import Jobs
import Testing
import Training

extension Trainings {
  @Suite("The cache that ranks share")
  struct CacheTests {
    /// Images that were decoded and that came from the cache, of each epoch.
    private func loaded(_ job: Job) -> [(decoded: Int, cached: Int)] {
      job.errors.compactMap { line in
        guard line.contains("waiting for images"), let text = line.split(separator: "(").dropFirst().first else {
          return nil
        }
        let numbers = text.split(separator: ",").map { Int($0.drop { $0 == " " }.prefix { $0.isNumber }) ?? 0 }
        return (numbers[0], numbers.count > 1 ? numbers[1] : 0)
      }
    }

    @Test("Two ranks decode each image once, and the run is the same to the last bit")
    func decodedOnce() throws {
      let run = try TrainingRun("cache")
      defer { run.remove() }
      let before = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      let job = try run.train(ranks: 2, "--cache-gb", "0.1", "--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      try run.expectSame(as: Trainings.straight.get())
      let epochs = loaded(job)
      try #require(epochs.count == 2, "\(job.errors)")
      // 20 of 21 images an epoch: in the second one at most one is new.
      #expect(epochs[0] == (20, 0))
      #expect(epochs[1].decoded <= 1 && epochs[1].decoded + epochs[1].cached == 20)
      let after = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      #expect(Set(after).subtracting(before).filter { $0.contains("osc_sm") } == [])
    }

    @Test("Where only some fit the others are decoded each time, and the run is the same")
    func someFit() throws {
      let run = try TrainingRun("small-cache")
      defer { run.remove() }
      // Images of 72×48 take 13888 bytes: ten of them, and what is noted about them.
      let job = try run.train(ranks: 2, "--cache-gb", "0.000143", "--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      try run.expectSame(as: Trainings.straight.get())
      let epochs = loaded(job)
      try #require(epochs.count == 2)
      #expect(epochs[0] == (20, 0))
      #expect((9...10).contains(epochs[1].cached) && epochs[1].decoded + epochs[1].cached == 20)
    }

    @Test(
      "A size that is none, that holds no image or that no machine has is refused in one line",
      arguments: [
        ("0", 2, "give a number above 0"), ("nan", 2, "give a number above 0"),
        ("0.000001", 2, "not one decoded image fits; give 0.0001 or more"),
      ])
    func refused(size: String, status: Int32, message: String) throws {
      let run = try TrainingRun("refused-cache", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train(ranks: 2, "--cache-gb", size)
      #expect(job.status == status)
      #expect(job.errors.count == 1, "\(job.errors)")
      #expect(job.errors.last?.hasPrefix("gscnn: --cache-gb ") == true)
      #expect(job.errors.last?.contains(message) == true, "\(job.errors)")
    }

    @Test("What a machine lacks is said with its name and the remedy")
    func shortage() {
      func shortage(_ available: Int?, _ shared: Int?) -> String? {
        SharedMemorySlots.shortage(
          of: 5_000_000_000, host: "node1", available: available, toShare: shared.map { ("/dev/shm", $0) })
      }
      #expect(shortage(nil, nil) == nil)
      #expect(shortage(6_000_000_000, 6_000_000_000) == nil)
      #expect(shortage(4_000_000_000, nil)?.contains("node1 has 4.00 GB of memory left; give less") == true)
      let tight = shortage(6_000_000_000, 64_000_000)
      #expect(tight?.contains("/dev/shm on node1 has room for 0.06 GB") == true)
      #expect(tight?.contains("--shm-size") == true)
    }
  }
}
