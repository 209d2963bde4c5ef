import Distributed
import Foundation
import Jobs
import Testing
import Training

extension Trainings {
  @Suite("Shared image cache")
  struct CacheTests {
    /// The numbers of decoded and of cached images of each epoch.
    private func loaded(_ job: Job) -> [(decoded: Int, cached: Int)] {
      job.errors.compactMap { line in
        guard line.contains("waiting for images"), let text = line.split(separator: "(").dropFirst().first else {
          return nil
        }
        let numbers = text.split(separator: ",").map { Int($0.drop { $0 == " " }.prefix { $0.isNumber }) ?? 0 }
        return (numbers[0], numbers.count > 1 ? numbers[1] : 0)
      }
    }

    @Test("Two ranks decode each image once, and the run has the same bits")
    func decodedOnce() throws {
      let run = try TrainingRun("cache")
      defer { run.remove() }
      let before = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      let job = try run.train(ranks: 2, "--cache-gb", "0.1", "--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      try run.expectSame(as: Trainings.straight.get())
      let epochs = loaded(job)
      try #require(epochs.count == 2, "\(job.errors)")
      // An epoch has 20 of 21 images: at most one is new in the second.
      #expect(epochs[0] == (20, 0))
      #expect(epochs[1].decoded <= 1 && epochs[1].decoded + epochs[1].cached == 20)
      let after = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      #expect(Set(after).subtracting(before).filter { $0.contains("osc_sm") } == [])
    }

    @Test("Images that do not fit are decoded each time, and the run has the same bits")
    func someFit() throws {
      let run = try TrainingRun("small-cache")
      defer { run.remove() }
      // An image of 72×48 takes 13888 bytes: room for ten and their bookkeeping.
      let job = try run.train(ranks: 2, "--cache-gb", "0.000143", "--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      try run.expectSame(as: Trainings.straight.get())
      let epochs = loaded(job)
      try #require(epochs.count == 2)
      #expect(epochs[0] == (20, 0))
      #expect((9...10).contains(epochs[1].cached) && epochs[1].decoded + epochs[1].cached == 20)
    }

    @Test(
      "A size that is not positive, or too small for an image, is refused in one line",
      arguments: [
        ("0", "give a number above 0"), ("nan", "give a number above 0"), ("-1", "give a number above 0"),
        ("0.000001", "not one decoded image fits; give 0.0001 or more"),
      ])
    func refused(size: String, message: String) throws {
      let run = try TrainingRun("refused-cache", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train(ranks: 2, "--cache-gb", size)
      #expect(job.status == 2)
      #expect(job.errors.count == 1, "\(job.errors)")
      #expect(job.errors.last?.contains("--cache-gb ") == true)
      #expect(job.errors.last?.contains(message) == true, "\(job.errors)")
    }

    @Test("A shortage of memory is reported with the machine and the remedy")
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
