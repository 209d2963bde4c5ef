import Foundation
import Jobs
import System
import Testing

extension Failures {
  @Suite("Signals")
  struct StopSignalTests {
    private func train(
      _ run: TrainingRun, _ fault: String, ranks: Int? = 2, under wrapper: [String] = []
    ) throws -> Job {
      try run.train(
        ranks: ranks, ["--epochs", "2", "--no-test"], under: wrapper, fault: fault)
    }

    @Test(
      "A signal to any rank in any phase saves the step, and the status is 75",
      arguments: [
        ("usr1", "phase=loading step=1", [1]), ("usr2", "phase=forward step=1", [1]),
        ("xcpu", "phase=backward step=1", [1]), ("hup", "phase=bucket step=1", [1]),
        ("term", "phase=optimizer step=1", [1]), ("usr1", "phase=checkpoint step=2", [2]),
        ("usr1", "phase=validation", [2]),
      ], [0, 1])
    func saves(signal: (name: String, place: String, saved: [Int]), rank: Int) throws {
      let run = try TrainingRun("signals", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try train(run, "rank=\(rank) action=\(signal.name) \(signal.place)")
      #expect(job.status == 75, "\(job.errors)")
      #expect(run.savedSteps == signal.saved)
      #expect(job.errors.last?.contains("resume with --resume auto") == true, "\(job.errors)")
    }

    @Test(
      "Before the first step a signal ends the job at once, with nothing left that hinders the next start",
      arguments: ["starting", "preparing", "restoring"])
    func beforeTheFirstStep(phase: String) throws {
      let run = try TrainingRun("signals", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try train(run, "rank=1 action=term phase=\(phase)")
      #expect(job.status == 75)
      #expect(job.errors.last?.hasPrefix("gscnn: stopped") == true, "\(job.errors)")
      #expect(run.losses.isEmpty && run.savedSteps.isEmpty)
      let again = try run.train(ranks: 2, ["--stop-after", "1"])
      #expect(again.status == 0, "\(again.errors)")
      #expect(run.savedSteps == [1])
    }

    @Test("Under nohup, which ignores SIGHUP, a run survives it")
    func hangUpIgnored() throws {
      let run = try TrainingRun("signals", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
      let job = try train(run, "action=hup phase=backward", ranks: nil, under: ignoring)
      #expect(job.status == 0, "\(job.errors)")
      #expect(run.losses.count == 4)
    }
  }
}
