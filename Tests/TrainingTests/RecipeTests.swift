import Foundation
import Jobs
import Testing

extension Trainings {
  @Suite("Recipe")
  struct RecipeTests {
    /// Two batches a step, two steps an epoch, five steps in all: the last epoch has one.
    private static let options = [
      "--accumulate", "2", "--max-steps", "5", "--schedule", "step", "--power", "0.9", "--final-learning-rate", "0.001",
      "--learning-rate", "0.02", "--base-batch-size", "4", "--warmup-steps", "2", "--warmup-start-lr", "0.004",
      "--optimizer", "lars", "--trust-coefficient", "0.02", "--clip-norm", "2", "--no-decay", "norm,bias",
      "--backbone-lr-factor", "0.5", "--head-lr-factor", "2", "--ema-decay", "0.6", "--save-best", "loss",
      "--early-stop", "9", "--batch-norm-group", "2", "--loss", "full", "--keep", "1", "--test", "never",
    ]

    /// All options of the optimizer and the schedule, on one rank without interruption.
    private static let straight = Result {
      let run = try TrainingRun("recipe")
      let job = try run.train(Self.options)
      guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
      return (run: run, job: job)
    }

    private func expectSame(_ run: TrainingRun, at location: SourceLocation = #_sourceLocation) throws {
      let straight = try Self.straight.get().run
      #expect(run.steps == straight.steps, sourceLocation: location)
      #expect(run.statistics == straight.statistics, sourceLocation: location)
      let names = ["model", "momentum", "ema"].map { "\($0).safetensors" }
      let pairs =
        names.map { (run.checkpoint(5) + "/" + $0, straight.checkpoint(5) + "/" + $0) }
        + [(run.model, straight.model), (run.averageModel, straight.averageModel)]
      for (mine, others) in pairs {
        #expect(
          FileManager.default.contentsEqual(atPath: mine, andPath: others), "\(mine) and \(others)",
          sourceLocation: location)
      }
    }

    @Test("Learning rates, gradient norms and the figures of the average are in the run's files")
    func files() throws {
      let (run, job) = try Self.straight.get()
      #expect(run.savedSteps.last == 5)
      let columns = run.steps[0].split(separator: ",").map(String.init)
      func column(_ name: String) throws -> [Double] {
        let place = try #require(columns.firstIndex(of: name))
        return try run.steps.dropFirst().map { try #require(Double($0.split(separator: ",")[place])) }
      }
      // 0.02 for batches of 4, of which a step has two; a warm-up of two steps, then three to 0.001.
      let decay = [1.0, 2.0 / 3, 1.0 / 3].map { 0.001 + 0.039 * pow($0, 0.9) }
      for (rate, expected) in zip(try column("learning_rate"), [0.004, 0.022] + decay) {
        #expect(abs(rate - expected) < 1e-9)
      }
      #expect(try column("gradient_norm").allSatisfy { $0 > 0 })
      let (header, rows) = (run.lines(run.statisticsPath), run.statistics)
      let average = ["loss", "PA", "mPA", "class_mIOU", "category_mIOU"].map { "ema_val_\($0)" }
      #expect(header[0].contains("," + average.joined(separator: ",") + ",ema_val_boundary_F_"))
      #expect(rows.count == 4, "a header and three epochs, the last with one step")
      #expect(header.dropFirst().allSatisfy { !$0.hasSuffix(",") })
      #expect(job.errors.contains("learning rate 0.04: 0.02 for batches of 4, scaled linearly to 8"))
      #expect(job.errors.contains { $0.hasPrefix("  ema ") })
      #expect(job.errors[0].hasSuffix("4 images a batch, 2 batches a step, 4 a rank"))
      #expect(job.errors.last?.hasPrefix("done; best validation loss ") == true)
    }

    @Test("A run stopped in mid-epoch and resumed, on 2, 1 and 4 ranks in turn, gives the same bytes")
    func resumed() throws {
      let run = try TrainingRun("recipe-resumed")
      defer { run.remove() }
      for (ranks, steps) in [(2, "1"), (1, "2")] {
        let job = try run.train(ranks: ranks, Self.options + ["--resume", "auto", "--stop-after", steps])
        #expect(job.status == 0, "\(job.errors)")
      }
      #expect(run.savedSteps.last == 3)
      try expectChanges(from: run)
      let job = try run.train(ranks: 4, Self.options + ["--resume", "auto"])
      #expect(job.status == 0, "\(job.errors)")
      try expectSame(run)

      let again = try run.train(Self.options + ["--resume", "auto"])
      #expect(again.status == 0 && again.errors.last?.hasPrefix("done; ") == true, "\(again.errors)")
      #expect(again.errors.contains { $0.hasSuffix("all epochs are done") })
    }

    /// Another folder goes on with other options, the best model and the best average.
    private func expectChanges(from run: TrainingRun) throws {
      let changed = try TrainingRun("recipe-branch")
      defer { changed.remove() }
      let job = try changed.train(
        Self.options + [
          "--resume", run.checkpoint(3), "--learning-rate", "0.01", "--clip-norm", "1", "--stop-after", "1",
          "--validate-every", "9",
        ])
      #expect(job.status == 0, "\(job.errors)")
      let (before, after) = (run.steps, changed.steps)
      #expect(Array(after.prefix(4)) == before && after.count == 5)
      let column = try #require(after[0].split(separator: ",").firstIndex(of: "learning_rate"))
      let rate = try #require(Double(after[4].split(separator: ",")[column]))
      #expect(abs(rate - (0.001 + 0.019 * pow(2.0 / 3, 0.9))) < 1e-9)
      for (mine, others) in [(changed.model, run.model), (changed.averageModel, run.averageModel)] {
        #expect(FileManager.default.contentsEqual(atPath: mine, andPath: others), "\(mine)")
      }
    }

    @Test("The options file of a run starts the same run elsewhere; options of the command line win over it")
    func configuration() throws {
      let straight = try Self.straight.get().run
      let run = try TrainingRun("recipe-configured")
      defer { run.remove() }
      let call = ["train", "--config", straight.optionsFile, "--save-path", run.folder, "--stop-after", "1"]
      let job = try Job.run("gscnn", call)
      #expect(job.status == 0, "\(job.errors)")
      #expect(run.steps.count == 2 && run.steps[1] == straight.steps[1])
      func options(_ run: TrainingRun) throws -> [String] {
        try String(contentsOfFile: run.optionsFile, encoding: .utf8).split(separator: "\n").map(String.init)
          .filter { !$0.hasPrefix("save-path: ") }
      }
      #expect(try options(run) == options(straight))
    }

    @Test("A run is not resumed with another recipe, unless its checkpoint is named and the option may change")
    func otherRecipe() throws {
      let straight = try Self.straight.get().run
      func refusal(_ options: [String], _ text: String, at location: SourceLocation = #_sourceLocation) throws {
        let job = try straight.train(Self.options + ["--resume", "auto"] + options)
        #expect(job.status == 2, sourceLocation: location)
        #expect(job.errors.last?.contains(text) == true, "\(job.errors)", sourceLocation: location)
      }
      try refusal(["--clip-norm", "3"], "--clip-norm 3.0: the checkpoint was made with 2.0; give --clip-norm 2.0")
      try refusal(["--accumulate", "1"], "--accumulate 1: the checkpoint was made with 2")
      try refusal(["--max-steps", "6"], "--max-steps 6: the checkpoint was made with 5")

      let run = try TrainingRun("recipe-changed")
      defer { run.remove() }
      let changed = try run.train(
        Self.options + ["--resume", straight.checkpoint(5), "--clip-norm", "3", "--no-decay", "bias"])
      #expect(changed.status == 0, "\(changed.errors)")
      #expect(
        changed.errors.contains { $0.contains("--clip-norm 3.0 instead of 2.0, --no-decay bias instead of norm,bias") })
    }

    @Test("The training ends early after validations without a better model, and is then done")
    func earlyStop() throws {
      let run = try TrainingRun("early", on: Trainings.fewStreets.get())
      defer { run.remove() }
      // Without updates only the running statistics change.
      let options = [
        "--learning-rate", "0", "--epochs", "9", "--save-best", "pixel-accuracy", "--early-stop", "1", "--keep", "1",
        "--test", "never",
      ]
      let job = try run.train(options)
      #expect(job.status == 0, "\(job.errors)")
      let epochs = run.statistics.count - 1
      #expect((2...8).contains(epochs), "\(run.statistics)")
      #expect(job.errors.last?.hasPrefix("done early, after 1 validations without a better model; best") == true)
      let again = try run.train(options + ["--resume", "auto"])
      #expect(again.status == 0 && again.errors.last == job.errors.last, "\(again.errors)")
      #expect(run.statistics.count - 1 == epochs)
    }

    @Test("A best average that a named checkpoint leaves behind is set aside, and one that is missing is named")
    func bestAverage() throws {
      let run = try TrainingRun("average", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let options = [
        "--ema-decay", "0.5", "--epochs", "3", "--checkpoint-every", "1", "--keep", "9", "--test", "never",
      ]
      #expect(try run.train(options).status == 0)
      let branch = try run.train(options + ["--resume", run.checkpoint(1), "--stop-after", "1"])
      #expect(branch.status == 0, "\(branch.errors)")
      let aside = run.averageModel.replacing(".safetensors", with: ".abandoned.safetensors")
      #expect(FileManager.default.fileExists(atPath: aside))
      #expect(branch.errors.contains { $0.contains(run.averageModel) && $0.contains("it is now \(aside), and") })

      try FileManager.default.removeItem(atPath: run.averageModel)
      let again = try run.train(options + ["--resume", "auto"])
      #expect(again.status == 0, "\(again.errors)")
      #expect(
        again.errors.contains {
          $0.contains("\(run.averageModel): the best average of the weights (") && $0.hasSuffix("writes a new one")
        }, "\(again.errors)")
      #expect(FileManager.default.fileExists(atPath: run.averageModel))
    }

    @Test("A run stopped in the validation of the average goes on with the next image, and gives the same bytes")
    func stoppedInAverage() throws {
      let data = try RunFolder.streets(train: 4, val: 3)
      let options = ["--epochs", "1", "--ema-decay", "0.5", "--test", "never"]
      let (whole, run) = (try TrainingRun("average-whole", on: data), try TrainingRun("average-stopped", on: data))
      defer {
        for run in [whole, run] { run.remove() }
        try? FileManager.default.removeItem(atPath: data)
      }
      #expect(try whole.train(options).status == 0)
      // The model's validation ends with the image; that of the average stops after its first one.
      let stopped = try run.train(ranks: nil, options, fault: "phase=validation number=3 action=usr1")
      #expect(stopped.status == 75, "\(stopped.errors)")
      let result = run.folder + "/resnet50_24_40/.val-average.result"
      #expect(FileManager.default.fileExists(atPath: result))
      let rest = try run.train(ranks: 2, options + ["--resume", "auto"])
      #expect(rest.status == 0, "\(rest.errors)")
      #expect(rest.errors.contains("  val goes on: 1 of 3 images are done"), "\(rest.errors)")
      #expect(!FileManager.default.fileExists(atPath: result))
      #expect(run.statistics == whole.statistics)
      for (mine, others) in [(run.model, whole.model), (run.averageModel, whole.averageModel)] {
        #expect(FileManager.default.contentsEqual(atPath: mine, andPath: others), "\(mine)")
      }
    }

    @Test("A warm-up as long as the training is refused, and so is another kind of length")
    func lengths() throws {
      let run = try TrainingRun("lengths", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let warmup = try run.train("--warmup-steps", "4")
      #expect(warmup.status == 2)
      #expect(warmup.errors.last?.contains("--warmup-steps 4: the training has 4 steps") == true, "\(warmup.errors)")
      #expect(try run.train("--stop-after", "1").status == 0)
      let steps = try run.train("--resume", "auto", "--max-steps", "4")
      #expect(steps.status == 2)
      #expect(
        steps.errors.last?.contains(
          "--max-steps 4: the checkpoint was made with --epochs 2; give that, or --stop-after to end this call early")
          == true, "\(steps.errors)")
      let earlier = try run.train("--dry-run")
      #expect(earlier.status == 2 && earlier.errors.last?.contains("holds an earlier run") == true, "\(earlier.errors)")
    }

    @Test("A step of more images than the training split has is refused")
    func tooManyImages() throws {
      let run = try TrainingRun("too-many")
      defer { run.remove() }
      let job = try run.train("--accumulate", "6")
      #expect(job.status == 2)
      #expect(job.errors.last?.contains("--accumulate 6: a step has 24 images") == true, "\(job.errors)")
    }

    @Test("A dry run trains, validates and saves in a folder that is gone at the end, whether or not there is a run")
    func dryRun() throws {
      let run = try TrainingRun("dry")
      defer { run.remove() }
      let job = try run.train(ranks: 2, ["--dry-run", "--ohem", "0.7", "--save-path", run.folder + "/new/new"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.contains { $0.hasPrefix("--ohem has no effect") && $0.hasSuffix("--ohem 0.7,240") })
      #expect(job.errors.last?.hasSuffix("; the run would start") == true, "\(job.errors)")
      #expect(!FileManager.default.fileExists(atPath: run.folder))

      #expect(try run.train("--stop-after", "1").status == 0)
      let before = try RunFolder.files(below: run.folder)
      let resumed = try run.train("--dry-run", "--resume", "auto")
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains { $0.hasPrefix("from ") })
      #expect(try RunFolder.files(below: run.folder) == before)

      let wrong = try run.train("--dry-run", "--resume", "auto", "--batch-size", "8")
      #expect(wrong.status == 2 && wrong.errors.last?.contains("--batch-size 8") == true, "\(wrong.errors)")
      #expect(try RunFolder.files(below: run.folder) == before)
    }
  }
}
