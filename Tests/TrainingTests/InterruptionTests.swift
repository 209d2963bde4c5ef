import Foundation
import Jobs
import Testing

/// A run that is stopped in every possible way, and resumed each time with other ranks and threads.
private struct InterruptedRun: Sendable {
  /// One start of the program.
  struct Leg: Sendable {
    let job: Job
    /// Steps done when it ended.
    let steps: Int
    /// Steps that have checkpoints then.
    let saved: [Int]
  }

  static let shared = Result { try InterruptedRun() }

  let run: TrainingRun
  let afterMaxSteps: Leg
  let afterSIGUSR1: Leg
  let afterSIGINT: Leg
  let afterSIGKILL: Leg
  let damaged: String
  let last: Leg

  private init() throws {
    let run = try TrainingRun("interrupted")
    func leg(
      ranks: Int?, _ options: [String] = [], _ signal: (number: Int32, rank: Int?)? = nil
    ) throws -> Leg {
      let before = run.losses.count
      let extra = before == 0 ? [] : ["--resume", "auto"]
      let job = try run.train(ranks: ranks, extra + options) { job in
        guard let signal else { return }
        try job.wait(for: "a step") { run.losses.count > before }
        try job.send(signal.number, toRank: signal.rank)
      }
      return Leg(job: job, steps: run.losses.count, saved: run.savedSteps)
    }
    self.run = run
    afterMaxSteps = try leg(ranks: nil, ["--stop-after", "2"])
    afterSIGUSR1 = try leg(ranks: 2, ["--validate-on", "all"], (SIGUSR1, 1))
    afterSIGINT = try leg(ranks: nil, ["--threads", "2"], (SIGINT, nil))
    afterSIGKILL = try leg(ranks: 2, ["--checkpoint-every", "1"], (SIGKILL, 1))
    damaged = run.checkpoint(afterSIGKILL.saved.last ?? 0)
    try Self.damage(damaged + "/momentum.safetensors")
    last = try leg(ranks: 1, ["--threads", "3"])
  }

  /// Changes a single bit.
  static func damage(_ path: String) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    let place = try file.seekToEnd() / 2
    try file.seek(toOffset: place)
    let byte = try file.read(upToCount: 1)?.first ?? 0
    try file.seek(toOffset: place)
    try file.write(contentsOf: Data([byte ^ 1]))
    try file.close()
  }
}

extension Trainings {
  @Suite("Stopping and resuming")
  struct InterruptionTests {
    @Test("A run stopped in every way and resumed with other ranks and threads ends with the same bytes")
    func sameBytes() throws {
      let interrupted = try InterruptedRun.shared.get()
      try #require(interrupted.last.job.status == 0, "\(interrupted.last.job.errors)")
      try interrupted.run.expectSame(as: Trainings.straight.get())
    }

    @Test("--stop-after stops mid-epoch with status 0 and a checkpoint")
    func maxSteps() throws {
      let leg = try InterruptedRun.shared.get().afterMaxSteps
      #expect(leg.job.status == 0)
      #expect(leg.steps == 2)
      #expect(leg.saved == [2])
      #expect(leg.job.errors.last?.contains("resume with --resume auto") == true)
    }

    @Test("SIGUSR1 to one of two ranks: both stop after the same step with a checkpoint and status 75")
    func signalToOneRank() throws {
      let leg = try InterruptedRun.shared.get().afterSIGUSR1
      #expect(leg.job.status == 75)
      #expect(leg.steps > 2)
      #expect(leg.saved.last == leg.steps)
      #expect(leg.job.errors.filter { $0.contains("stopped; saved in") }.count == 1)
    }

    @Test("Ctrl-C to a single process: a checkpoint and status 130")
    func interruption() throws {
      let interrupted = try InterruptedRun.shared.get()
      let leg = interrupted.afterSIGINT
      #expect(leg.job.status == 130)
      #expect(leg.steps > interrupted.afterSIGUSR1.steps)
      #expect(leg.saved.last == leg.steps)
    }

    @Test("A killed rank ends the job; earlier checkpoints stay")
    func killedRank() throws {
      let interrupted = try InterruptedRun.shared.get()
      let leg = interrupted.afterSIGKILL
      #expect(leg.job.status != 0)
      #expect(leg.steps < 10, "killed before the end")
      #expect(leg.saved.count >= 2)
    }

    @Test("--resume auto reports a corrupt checkpoint and resumes from the one before")
    func damagedCheckpoint() throws {
      let interrupted = try InterruptedRun.shared.get()
      let errors = interrupted.last.job.errors
      let warning = try #require(errors.first { $0.contains("skipped a checkpoint") })
      #expect(warning.contains(interrupted.damaged))
      #expect(warning.contains("momentum.safetensors does not match its checksum"))
      let before = interrupted.run.checkpoint(interrupted.afterSIGKILL.saved.dropLast().last ?? 0)
      #expect(errors.contains { $0.hasPrefix("from \(before): epoch ") })
    }

    @Test("With only corrupt checkpoints --resume auto does not start over the results")
    func onlyCorruptCheckpoints() throws {
      let run = try Trainings.oneStep.get()
      try #require(run.savedSteps == [1])
      try InterruptedRun.damage(run.checkpoint(1) + "/state.json")
      let before = try RunFolder.files(below: run.folder)
      for options in [["--resume", "auto"], []] {
        let job = try run.train(options)
        #expect(job.status == 1)
        #expect(job.errors.last?.contains("holds checkpoints, but none is valid") == true)
        #expect(try RunFolder.files(below: run.folder) == before)
      }
    }
  }
}
