import Foundation
import Jobs
import System
import Testing

extension Failures {
  @Suite("Ranks that die, stall or fail, in every phase")
  struct DyingRankTests {
    /// A place in a run of two ranks, as GSCNN_FAULT and the message about it describe it.
    struct Place: Sendable, CustomTestStringConvertible {
      let fault: String
      let message: String
      var testDescription: String { fault }
    }

    static let places = [
      Place(fault: "phase=starting", message: "starting"),
      Place(fault: "phase=preparing", message: "preparing"),
      Place(fault: "phase=restoring", message: "restoring"),
      Place(fault: "phase=loading step=2", message: "loading, step 2"),
      Place(fault: "phase=forward step=2", message: "forward, step 2"),
      Place(fault: "phase=backward step=2", message: "backward, step 2"),
      Place(fault: "phase=bucket step=2 number=3", message: "step 2, bucket 3"),
      Place(fault: "phase=optimizer step=2", message: "optimizer, step 2"),
      Place(fault: "phase=checkpoint step=2", message: "checkpoint, step 2"),
      Place(fault: "phase=validation", message: "validation"),
      Place(fault: "phase=finalize", message: "finalize"),
    ]

    private func train(_ fault: String, options: [String] = []) throws -> Job {
      let run = try TrainingRun("dying", on: Trainings.fewStreets.get())
      defer { run.remove() }
      return try run.train(ranks: 2, ["--epochs", "1", "--no-test"] + options, fault: fault)
    }

    @Test(
      "A rank that is killed in any phase ends the job, and the last line names rank, host, phase, step and cause",
      arguments: places, [0, 1])
    func killed(place: Place, rank: Int) throws {
      let job = try train("rank=\(rank) action=kill \(place.fault)")
      #expect(job.status != 0)
      let line = try #require(job.lastError)
      let host = ProcessInfo.processInfo.hostName
      #expect(line.hasPrefix("gscnn: rank \(rank) on \(host) was killed (signal 9"), "\(line)")
      // Rank 0 may be killed before the others hear that it has begun to prepare.
      let phase = place.message == "preparing" && rank == 0 ? " in " : place.message
      #expect(line.contains(phase) && line.hasSuffix("; start again with --resume auto"), "\(line)")
    }

    @Test(
      "A rank that crashes, exits or fails says so itself",
      arguments: [
        ("crash", "was ended by signal 11 (Segmentation fault) in backward, step 2"),
        ("exit", "exited without an error message in backward, step 2"),
        ("error", "in backward, step 2: GSCNN_FAULT: this error is on purpose"),
      ], [0, 1])
    func ended(how: (action: String, message: String), rank: Int) throws {
      let job = try train("rank=\(rank) phase=backward step=2 action=\(how.action)")
      #expect(job.status != 0)
      let line = try #require(job.lastError)
      #expect(line.hasPrefix("gscnn: rank \(rank) on "), "\(line)")
      #expect(line.contains(how.message), "\(line)")
    }

    @Test(
      "A rank that stands still is named with its phase, and the job ends with status 75",
      arguments: [
        ("hang", "has been in backward, step 2"), ("stop", "has not answered for"),
      ], [0, 1])
    func stalled(how: (action: String, message: String), rank: Int) throws {
      let job = try train(
        "rank=\(rank) phase=backward step=2 action=\(how.action)", options: ["--stall-timeout", "16"])
      #expect(job.status == 75)
      let lines = job.errors.filter { $0.hasPrefix("gscnn: rank \(rank) on ") && $0.contains(how.message) }
      #expect(lines.count == 2, "\(job.errors)")
      #expect(lines.allSatisfy { $0.contains("backward, step 2") })
      #expect(lines.last == job.lastError)
      #expect(lines.last?.hasSuffix("which ends the job after 16 s; start again with --resume auto") == true)
    }
  }
}
