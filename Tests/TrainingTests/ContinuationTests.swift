import Foundation
import Testing

extension Trainings {
  /// One step of the second epoch is done.
  private static let secondEpoch = Result {
    let run = try TrainingRun("second-epoch")
    let job = try run.train("--stop-after", "6", "--test", "best")
    guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
    return run
  }

  @Suite("Continuing in another folder")
  struct ContinuationTests {
    @Test("Steps, best model and predictions come along, and the run ends with the same bytes")
    func comesAlong() throws {
      let old = try Trainings.secondEpoch.get()
      let before = try RunFolder.files(below: old.folder)
      let new = try TrainingRun("continued")
      defer { new.remove() }
      let first = try new.train("--resume", old.folder, "--stop-after", "1")
      #expect(first.status == 0, "\(first.errors)")
      #expect(FileManager.default.contentsEqual(atPath: new.model, andPath: old.model))
      for split in ["val", "test"] { #expect(try new.predictions(split) == old.predictions(split)) }
      #expect(new.losses.count == 7)

      let rest = try new.train("--resume", "auto")
      #expect(rest.status == 0, "\(rest.errors)")
      try new.expectSame(as: Trainings.straight.get())
      #expect(try RunFolder.files(below: old.folder) == before)
    }

    @Test("A run that goes on from an earlier checkpoint sets the best model of the training after it aside")
    func laterModel() throws {
      let run = try TrainingRun("left-behind", on: Trainings.fewStreets.get())
      defer { run.remove() }
      #expect(try run.train("--stop-after", "1", "--test", "never", "--keep", "9").status == 0)
      #expect(try run.train("--resume", "auto", "--test", "never", "--keep", "9").status == 0)
      let abandoned = run.model.replacing("_model.", with: "_model.abandoned.")
      let before = try Data(contentsOf: URL(fileURLWithPath: run.model))
      let job = try run.train("--resume", run.checkpoint(1), "--learning-rate", "0.003", "--stop-after", "1")
      #expect(job.status == 0, "\(job.errors)")
      #expect(
        job.errors.contains(
          "gscnn: \(run.model): belongs to the training after this checkpoint, which is left behind; it is now \(abandoned), "
            + "and the next validation starts a new best one"
        ), "\(job.errors)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: abandoned)) == before)
      // No figure of the training that was left behind is the best one.
      let rest = try run.train("--resume", "auto", "--learning-rate", "0.003")
      #expect(rest.status == 0, "\(rest.errors)")
      #expect((job.errors + rest.errors).contains { $0.hasSuffix("  best so far") }, "\(job.errors + rest.errors)")
      #expect(rest.errors.contains { $0.hasPrefix("  test:") }, "\(rest.errors)")
      let second = try run.train("--resume", run.checkpoint(1), "--learning-rate", "0.002", "--stop-after", "1")
      #expect(second.status == 0, "\(second.errors)")
      #expect(second.errors.contains { $0.contains("_model.abandoned-2.safetensors, and") }, "\(second.errors)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: abandoned)) == before)
    }

    @Test("Without the best model one line says so, and the next validation writes a new one")
    func missingModel() throws {
      let old = try TrainingRun("second-epoch", on: Trainings.fewStreets.get())
      let new = try TrainingRun("without-model", on: Trainings.fewStreets.get())
      defer { for run in [old, new] { run.remove() } }
      // The second epoch makes the model worse.
      let options = ["--learning-rate", "1", "--test", "never"]
      #expect(try old.train(options + ["--stop-after", "3"]).status == 0)
      // A checkpoint outside of its run.
      let checkpoint = new.folder + "-checkpoint/step-00000003"
      try FileManager.default.createDirectory(
        atPath: new.folder + "-checkpoint", withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: new.folder + "-checkpoint") }
      try FileManager.default.copyItem(atPath: old.checkpoint(3), toPath: checkpoint)
      let job = try new.train(options + ["--resume", checkpoint])
      #expect(job.status == 0, "\(job.errors)")
      let lines = job.errors.filter { $0.hasPrefix("gscnn: \(new.model): the best model (") }
      #expect(lines.count == 1)
      #expect(lines.first?.hasSuffix(") is missing; the next validation writes a new one") == true)
      #expect(job.errors.contains { $0.hasSuffix("  best so far") })
      #expect(FileManager.default.fileExists(atPath: new.model))
    }
  }
}
