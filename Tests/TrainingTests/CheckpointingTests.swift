import Cityscapes
import Foundation
import Jobs
import Testing
import Training
import Weights

extension Trainings {
  @Suite("Checkpoints of a run")
  struct CheckpointingTests {
    private func identity(_ checkpoint: String) throws -> RunIdentity {
      try #require(TrainingState(of: Checkpoint(folder: checkpoint)).run)
    }

    @Test("An error right after a checkpoint was begun ends the run when the checkpoint is on the disk")
    func errorAfterSave() throws {
      let data = try RunFolder.streets(train: 8, val: 1)
      let run = try TrainingRun("error-after-save", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: data)
      }
      // The second step, of the last four images, cannot be loaded.
      let image = try CityscapesDirectory(root: data).samples(of: .train)[7].image
      let damage = try ImageDamage(image)
      let failed = try run.train("--augment", "none", "--checkpoint-every", "1")
      #expect(failed.status == 1)
      #expect(failed.errors.last?.contains(image) == true, "\(failed.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: run.checkpoints) == ["step-00000001"])

      try damage.repair()
      let resumed = try run.train("--augment", "none", "--resume", "auto", "--stop-after", "1")
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains { $0.hasPrefix("from \(run.checkpoint(1)): epoch 1, step 1") })
    }

    @Test("--resume auto that finds no checkpoint says where it looked, and what lies beside it")
    func nothingFound() throws {
      let run = try TrainingRun("nothing-found", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let first = try run.train("--resume", "auto", "--stop-after", "1")
      #expect(first.status == 0, "\(first.errors)")
      let line = "gscnn: --resume auto: no checkpoint in \(run.checkpoints), starting anew"
      #expect(first.errors.count { $0.hasPrefix(line) } == 1, "\(first.errors)")

      let otherCrop = try run.train("--crop-h", "32", "--resume", "auto", "--stop-after", "1")
      #expect(
        otherCrop.errors.contains(
          "gscnn: --resume auto: no checkpoint in \(run.folder)/resnet50_32_40/checkpoints, starting anew; "
            + "there are other runs: \(run.folder)/resnet50_24_40 (step 1)"), "\(otherCrop.errors)")
      let mistyped = try run.train("--save-path", run.folder + "/mistyped", "--resume", "auto", "--stop-after", "1")
      #expect(
        mistyped.errors.contains { $0.contains("mistyped/resnet50_24_40/checkpoints, starting anew") },
        "\(mistyped.errors)")
    }

    @Test("After --resume CHECKPOINT, --resume auto goes on from there, however soon the job was killed")
    func killedAfterResume() throws {
      let run = try TrainingRun("killed-after-resume", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let options = ["--checkpoint-every", "1", "--keep", "9"]
      #expect(try run.train(options + ["--stop-after", "3"]).status == 0)
      #expect(run.savedSteps == [1, 2, 3])
      let killed = try run.train(
        options + ["--resume", run.checkpoint(1), "--learning-rate", "0.003"],
        fault: "phase=backward step=2 action=kill")
      #expect(killed.status != 0)
      let resumed = try run.train(options + ["--learning-rate", "0.003", "--resume", "auto", "--stop-after", "1"])
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(
        resumed.errors.contains { $0.hasPrefix("from \(run.checkpoint(1)): epoch 1, step 1") }, "\(resumed.errors)")
    }

    @Test(
      "Of two jobs in one folder the second, or its trial, is refused by the name of the first, which is not disturbed")
    func twoJobs() throws {
      let run = try TrainingRun("two-jobs", on: Trainings.fewStreets.get())
      defer { run.remove() }
      var others: [Job] = []
      let first = try run.train("--stop-after", "2") { job in
        try job.wait(for: "a step") { run.losses.count > 0 }
        // Stopped meanwhile, so that it is not done before.
        try job.send(SIGSTOP, toRank: nil)
        others = [try run.train("--resume", "auto"), try run.train("--resume", "auto", "--dry-run")]
        try job.send(SIGCONT, toRank: nil)
      }
      #expect(first.status == 0, "\(first.errors)")
      #expect(run.losses.count == 2)
      #expect(run.savedSteps.last == 2)
      for other in others {
        #expect(other.status == 1)
        #expect(other.errors.count == 1, "\(other.errors)")
        let line = other.errors.last ?? ""
        #expect(line.hasPrefix("gscnn: --save-path \(run.folder): is in use by gscnn on "), "\(line)")
        #expect(line.contains(", process ") && line.hasSuffix("wait for it, stop it, or give another --save-path"))
      }
      #expect(others.count == 2)
    }

    @Test("--resume of a checkpoint into the folder of another run is refused and changes no file")
    func otherRun() throws {
      let (straight, other) = (try Trainings.straight.get(), try Trainings.oneStep.get())
      let checkpoint = straight.checkpoint(try #require(straight.savedSteps.last))
      let before = try RunFolder.files(below: other.folder)
      let refused = try other.train("--resume", checkpoint)
      #expect(refused.status == 2)
      #expect(refused.errors.count == 1, "\(refused.errors)")
      let line =
        "gscnn: --resume \(checkpoint): is another run than that in \(other.checkpoints); give another --save-path"
      #expect(refused.errors.last?.hasPrefix(line) == true, "\(refused.errors)")
      #expect(try RunFolder.files(below: other.folder) == before)

      // In an empty folder it continues, as a run of its own: the first one's folder does not take it back.
      let fork = try TrainingRun("fork", on: Trainings.fewStreets.get())
      defer { fork.remove() }
      let resumed = try fork.train("--resume", other.checkpoint(1), "--stop-after", "1")
      #expect(resumed.status == 0, "\(resumed.errors)")
      let (parent, child) = (try identity(other.checkpoint(1)), try identity(fork.checkpoint(2)))
      #expect(child.parent == parent.id && child.id != parent.id && parent.parent == nil)
      #expect(try other.train("--resume", fork.folder).errors.last?.contains("is another run than that in") == true)
    }

    @Test("--checkpoint-minutes saves by the clock of rank 0, on all ranks after the same step", arguments: [nil, 2])
    func byTheClock(ranks: Int?) throws {
      let run = try TrainingRun("by-the-clock")
      defer { run.remove() }
      let none = try run.train(
        ranks: ranks, "--checkpoint-minutes", "0", "--checkpoint-every", "3", "--keep", "9", "--stop-after", "4")
      #expect(none.status == 0, "\(none.errors)")
      #expect(run.savedSteps == [3, 4])
      // Every step takes longer than this.
      let job = try run.train(
        ranks: ranks, "--checkpoint-minutes", "0.000001", "--keep", "9", "--resume", "auto", "--stop-after", "3")
      #expect(job.status == 0, "\(job.errors)")
      #expect(run.savedSteps.suffix(2) == [6, 7])
    }

    @Test(
      "On a disk with room for one checkpoint the training goes on, and ends after three failures with that one whole",
      .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
    func fullDisk() throws {
      // A checkpoint has about 330 MB.
      let disk = try TinyDisk(kilobytes: 500 << 10)
      let run = try TrainingRun("full", in: disk.path)
      let job = try run.train("--checkpoint-every", "1", "--keep", "1")
      #expect(job.status == 1)
      let lines = job.errors.filter { $0.hasPrefix("gscnn: ") }
      #expect(lines.count == 4, "\(lines)")
      #expect(lines.first?.hasPrefix("gscnn: --save-path \(run.folder): room for 1 of 3 checkpoints (") == true)
      for (number, line) in zip(1...2, lines.dropFirst()) {
        #expect(line.contains("No space left on device; make room on that disk; training goes on"), "\(line)")
        #expect(line.hasSuffix("(failure \(number) of 3); the last good one is \(run.checkpoint(1))"), "\(line)")
      }
      #expect(lines.last?.contains("3 checkpoints in a row could not be written") == true)
      #expect(lines.last?.hasSuffix("the last good one is \(run.checkpoint(1))") == true)
      #expect(run.savedSteps == [1])
      #expect(run.losses.count >= 4, "it went on meanwhile")
      _ = try Checkpoint(folder: run.checkpoint(1))

      // The remedy: more room, then --resume auto.
      try disk.resize(kilobytes: 1100 << 10)
      let resumed = try run.train("--resume", "auto", "--keep", "1", "--stop-after", "1")
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(run.savedSteps == [2])
      #expect(run.losses.count == 2, "the steps after the checkpoint are repeated")
    }

    @Test(
      "Predictions for which there is no room cost neither figures nor the model, and the training goes on",
      .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
    func noRoomForPredictions() throws {
      let run = try TrainingRun("no-predictions")
      defer { run.remove() }
      // Two of three predictions fit.
      let disk = try TinyDisk(kilobytes: 8)
      try disk.move(to: run.folder + "/resnet50_24_40/.val-pending")
      let job = try run.train("--keep", "1")
      #expect(job.status == 0, "\(job.errors)")
      let warnings = job.errors.filter { $0.hasSuffix("; training goes on, and val will have no predictions") }
      #expect(warnings.count == 2, "one an epoch: \(job.errors)")
      #expect(warnings.first?.contains("/.val-pending/") == true)
      #expect(throws: (any Error).self) { try run.predictions("val") }
      let straight = try Trainings.straight.get()
      #expect(run.statistics == straight.statistics)
      #expect(try run.predictions("test") == straight.predictions("test"))
      #expect(FileManager.default.contentsEqual(atPath: run.model, andPath: straight.model))
    }

    @Test(
      "A run is refused before its first step if the disk has no room for a checkpoint",
      .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
    func noRoom() throws {
      let disk = try TinyDisk(kilobytes: 100 << 10)
      let run = try TrainingRun("no-room", in: disk.path)
      let job = try run.train("--stop-after", "1")
      #expect(job.status == 1)
      #expect(job.errors.count == 1, "\(job.errors)")
      #expect(
        job.errors.last?.hasPrefix("gscnn: --save-path \(run.folder): no room for a checkpoint (0.10 GB free") == true)
      #expect(job.errors.last?.hasSuffix("make room there, or give another folder") == true)
      #expect(run.losses.isEmpty)
    }

    @Test(
      "Stopped at every step of two epochs and resumed with 1, 2 and 4 ranks in turn, a run ends with the same bytes")
    func everyStep() throws {
      let run = try TrainingRun("every-step")
      defer { run.remove() }
      for step in 1...10 {
        let job = try run.train(
          ranks: [1, 2, 4][step % 3], "--keep", "1", "--resume", "auto", "--stop-after", "1")
        try #require(job.status == 0, "\(job.errors)")
        #expect(run.losses.count == step)
      }
      try run.expectSame(as: Trainings.straight.get())
    }
  }
}
