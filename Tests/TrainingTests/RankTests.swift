import Cityscapes
import Foundation
import Jobs
import Testing
import Training
import Weights

extension Trainings {
  @Suite("Ranks")
  struct RankTests {
    @Test(
      "Losses, metrics, predictions and weights have the same bits on any number of ranks, and whichever ranks validate",
      arguments: zip([2, 4], [["--validate-on", "all"], ["--validate-on", "rank0", "--test", "best"]]))
    func ranks(count: Int, options: [String]) throws {
      let straight = try Trainings.straight.get()
      #expect(straight.losses.count == 10)
      let run = try TrainingRun("ranks")
      defer { run.remove() }
      let job = try run.train(ranks: count, options + ["--keep", "1"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.first?.hasPrefix("\(count) ranks on 1 machine") == true)
      #expect(job.output == [])
      try run.expectSame(as: straight)
    }

    @Test(
      "Ten steps end with the same bytes on 1 rank, on 8 ranks, and resumed mid-epoch on 8, 2, 1 and 4 ranks in turn"
    )
    func ranksChange() throws {
      // Two steps an epoch.
      let options = [
        "--batch-size", "8", "--epochs", "5", "--validate-every", "5", "--validate-on", "all", "--keep", "1",
      ]
      let (one, eight) = (try TrainingRun("one-rank"), try TrainingRun("eight-ranks"))
      let changing = try TrainingRun("changing-ranks")
      defer { for run in [one, eight, changing] { run.remove() } }
      func expectSuccess(_ job: Job) { #expect(job.status == 0, "\(job.errors)") }
      expectSuccess(try one.train(options))
      expectSuccess(try eight.train(ranks: 8, options))
      #expect(one.losses.count == 10)
      try eight.expectSame(as: one)

      for (ranks, steps) in [(8, "3"), (2, "2"), (1, "2"), (4, "3")] {
        expectSuccess(try changing.train(ranks: ranks, options + ["--resume", "auto", "--stop-after", steps]))
      }
      try changing.expectSame(as: one)
    }

    @Test(
      "In bfloat16 a run ends with the same bytes on 1, 2, 4 and 8 ranks and across stops; a resume in single precision is refused"
    )
    func bfloat16() throws {
      let options = ["--precision", "bfloat16", "--batch-size", "8", "--epochs", "2", "--validate-every", "2"]
      let (straight, changing) = (try TrainingRun("bfloat16"), try TrainingRun("bfloat16-changing"))
      defer { for run in [straight, changing] { run.remove() } }
      func expectSuccess(_ job: Job) { #expect(job.status == 0, "\(job.errors)") }
      expectSuccess(try straight.train(options))
      #expect(straight.losses.count == 4)
      let description = try CheckpointInspector.text(of: straight.model, listing: false)
      #expect(description.contains("\ntraining_precision: bfloat16"))
      for ranks in [8, 4, 2] {
        expectSuccess(try changing.train(ranks: ranks, options + ["--resume", "auto", "--stop-after", "1"]))
      }
      let refused = try changing.train(["--resume", "auto"] + options.dropFirst(2))
      #expect(refused.status == 2)
      #expect(refused.errors.last?.contains("--precision float32: the checkpoint was made with bfloat16") == true)
      expectSuccess(try changing.train(ranks: 1, options + ["--threads", "2", "--resume", "auto"]))
      try changing.expectSame(as: straight)
    }

    @Test(
      "With gradients in bfloat16 messages the same ranks have the same bytes, also across a stop; other ranks have others"
    )
    func reduce() throws {
      let options = ["--reduce", "bfloat16", "--stop-after", "2"]
      let (straight, stopped, single) = (
        try TrainingRun("reduced"), try TrainingRun("reduced-stopped"), try TrainingRun("not-reduced")
      )
      defer { for run in [straight, stopped, single] { run.remove() } }
      func expectSuccess(_ job: Job) { #expect(job.status == 0, "\(job.errors)") }
      expectSuccess(try straight.train(ranks: 2, options))
      for _ in 0..<2 {
        expectSuccess(
          try stopped.train(ranks: 2, ["--reduce", "bfloat16", "--resume", "auto", "--stop-after", "1"]))
      }
      #expect(stopped.losses == straight.losses)
      for file in ["/model.safetensors", "/momentum.safetensors"] {
        #expect(
          FileManager.default.contentsEqual(
            atPath: stopped.checkpoint(2) + file, andPath: straight.checkpoint(2) + file))
      }
      // What a step reduces shows in the loss of the next one.
      let expected = try Trainings.straight.get().losses
      #expect(straight.losses[0] == expected[0])
      #expect(straight.losses[1] != expected[1])
      #expect(abs(straight.losses[1] - expected[1]) < 0.01 * expected[1])
      expectSuccess(try single.train(ranks: 1, options))
      #expect(single.losses == Array(expected.prefix(2)), "one rank sends nothing")
      let refused = try straight.train(ranks: 2, "--resume", "auto")
      #expect(refused.status == 2)
      #expect(refused.errors.last?.contains("--reduce float32: the checkpoint was made with bfloat16") == true)

      // A resume that does no step does not change who has made the checkpoint; without bfloat16 nothing is warned of.
      let checkpoint = stopped.checkpoint(2)
      for transport in ["bfloat16", "float32"] {
        let resumed = try stopped.train(
          ranks: 1, ["--resume", checkpoint, "--reduce", transport], fault: "phase=loading step=3 action=exit")
        #expect(resumed.status != 0)
        #expect(resumed.errors.contains { $0.contains("was made on 2 ranks") } == (transport == "bfloat16"))
        #expect(try TrainingState(of: Checkpoint.find(at: checkpoint)).ranks == 2)
      }
    }

    @Test("Three ranks with unequal shares agree up to rounding")
    func unequalShares() throws {
      let run = try TrainingRun("three-ranks")
      defer { run.remove() }
      let job = try run.train(ranks: 3, "--stop-after", "4")
      #expect(job.status == 0, "\(job.errors)")
      try #require(run.losses.count == 4)
      for (mine, expected) in zip(run.losses, try Trainings.straight.get().losses) {
        #expect(abs(mine - expected) <= 1e-4 * expected, "\(mine) instead of \(expected)")
      }
    }

    @Test("With local batch norm a run has other losses, and completes")
    func localBatchNorm() throws {
      let run = try TrainingRun("local", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train(
        ranks: 2, "--batch-norm", "local", "--epochs", "3", "--validate-every", "2", "--no-test")
      #expect(job.status == 0, "\(job.errors)")
      #expect(run.savedSteps.last == 6)

      let rows = run.statistics.dropFirst().map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      let wasValidated = rows.map { row in [2, 4, 6, 8, 10].map { !row[$0].isEmpty } }
      let (all, none) = ([Bool](repeating: true, count: 5), [Bool](repeating: false, count: 5))
      #expect(wasValidated == [none, all, all], "every second epoch, and the last")

      #expect(try run.losses.first != Trainings.oneStep.get().losses.first)
    }

    @Test("An image that one rank cannot read ends the job with an error that names the rank")
    func unreadableImage() throws {
      let data = try RunFolder.streets(train: 8, val: 1)
      let run = try TrainingRun("unreadable", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: data)
      }
      // With --augment none the second step of rank 1 takes the last two images.
      let image = try CityscapesDirectory(root: data).samples(of: .train)[7].image
      _ = try ImageDamage(image)
      let job = try run.train(ranks: 2, "--augment", "none")
      #expect(job.status == 1)
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: rank 1 on "))
      #expect(line.contains(image))
      #expect(run.losses.count == 1, "the step before it was done")
    }
  }
}
