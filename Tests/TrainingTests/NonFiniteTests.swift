import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Images
import Jobs
import SyntheticStreets
import Tensors
import Testing
import Training
import Weights

extension Failures {
  @Suite("Values that are not finite")
  struct NonFiniteTests {
    // MARK: - A step

    @Test(
      "A step whose loss is NaN leaves the replica as it was, and the next step is as if it had not been",
      arguments: [nil, BatchNormGroups(of: 2, batchSize: 4, ranks: 1)])
    func lossOfStep(groups: BatchNormGroups?) throws {
      let images = groups == nil ? 2 : 4
      let replica = try replica(groups)
      let untouched = try bits(of: self.replica(groups))
      #expect(throws: NonFiniteValue.self) {
        try replica.step(batch(firstPixel: .nan, images: images), learningRate: 0.01)
      }
      #expect(bits(of: replica) == untouched)

      let other = try self.replica(groups)
      let good = batch(firstPixel: 1, images: images)
      let loss = try replica.step(good, learningRate: 0.01).loss
      #expect(try other.step(good, learningRate: 0.01).loss == loss)
      #expect(bits(of: replica) == bits(of: other))
    }

    @Test("A gradient that is not finite is named, and the replica stays as it was")
    func gradientOfStep() throws {
      let replica = try replica()
      let observer = Spoiler { replica.model.store.parameters[7].gradient[3] = .infinity }
      replica.observer = observer
      let untouched = try bits(of: self.replica())
      let name = replica.model.store.parameters[7].name
      _ = withExtendedLifetime(observer) {
        #expect(throws: NonFiniteValue.gradient(name)) {
          try replica.step(batch(firstPixel: 1), learningRate: 0.01)
        }
      }
      #expect(bits(of: replica) == untouched)
    }

    @Test("If the second of a step's batches is not finite, the first one changes nothing either")
    func secondBatch() throws {
      var options = OptimizerOptions()
      options.accumulate = 2
      let replica = try replica(optimizer: options)
      let untouched = try bits(of: self.replica())
      func step(_ replica: Replica, _ batches: [Batch]) throws {
        var next = 0
        _ = try replica.step(learningRate: 0.01) {
          next += 1
          return batches[next - 1]
        }
      }
      #expect(throws: NonFiniteValue.self) {
        try step(replica, [batch(firstPixel: 1), batch(firstPixel: .nan)])
      }
      #expect(bits(of: replica) == untouched)
      // The next step begins a new sum.
      let fresh = try self.replica(optimizer: options)
      for replica in [replica, fresh] { try step(replica, [batch(firstPixel: 1), batch(firstPixel: 2)]) }
      #expect(bits(of: replica) == bits(of: fresh))
    }

    @Test("A parameter that overflows is found in the step that makes it so")
    func parameterOfStep() throws {
      let replica = try replica()
      let parameter = replica.model.store.parameters[5]
      replica.optimizer.velocities[parameter.offset + 2] = .greatestFiniteMagnitude
      #expect(throws: NonFiniteValue.parameter(parameter.name)) {
        try replica.step(batch(firstPixel: 1), learningRate: 1000)
      }
    }

    private func replica(
      _ groups: BatchNormGroups? = nil, optimizer: OptimizerOptions = OptimizerOptions()
    ) throws -> Replica {
      Replica(
        GatedSCNN(.resnet50, seed: 1), momentum: 0.9, weightDecay: 1e-4, optimizer: optimizer, batchNorm: .sync,
        groups: groups,
        communicator: .single, gradientCommunicator: .single, workers: WorkerPool(threads: 2))
    }

    private func bits(of replica: Replica) -> [[UInt64]] {
      let store = replica.model.store
      return [store.values, store.running, replica.optimizer.velocities].map { $0.values.map { UInt64($0.bitPattern) } }
        + [store.counters.map { UInt64($0.value) }]
    }

    private func batch(firstPixel: Float, images: Int = 2) -> Batch {
      let shape = Shape(images, 32, 32, 3)
      var random = RandomNumbers(named: "not finite")
      var pixels = (0..<shape.pixels * 3).map { _ in random.normal() }
      pixels[0] = firstPixel
      let maps = [UInt8](repeating: 0, count: shape.pixels)
      return Batch(
        image: Tensor(shape, dense: pixels), canny: .zeros(shape.with(channels: 1)), target: maps, boundary: maps,
        indices: Array(0..<images))
    }

    /// Changes a gradient after the all-reduce.
    private final class Spoiler: StepObserver {
      private let spoil: () -> Void

      init(_ spoil: @escaping () -> Void) { self.spoil = spoil }

      func forwardEnded() {}
      func gradientReady(_ parameter: Int) {}
      func backwardEnded() { spoil() }
    }

    // MARK: - A run

    @Test("A run that diverges saves nothing of it, names the images, and the way out that it names works")
    func diverged() throws {
      let run = try TrainingRun("diverged")
      defer { run.remove() }
      #expect(try run.train("--stop-after", "1").status == 0)
      // Each update multiplies the weights by about −1000.
      let wild = ["--learning-rate", "1000", "--weight-decay", "1"]
      let refused = try run.train(wild + ["--resume", "auto"])
      #expect(refused.status == 2)
      #expect(
        refused.errors.last?.hasPrefix("gscnn: --learning-rate 1000.0: the checkpoint was made with 0.01; give ")
          == true
          && refused.errors.last?.contains("name the checkpoint with --resume") == true, "\(refused.errors)")

      let job = try run.train(ranks: 2, wild + ["--resume", run.checkpoint(1)])
      #expect(job.status == 1)
      #expect(
        job.errors.contains(
          "from \(run.checkpoint(1)), --learning-rate 1000.0 instead of 0.01, --weight-decay 1.0 instead of 0.0001: "
            + "epoch 1, step 1"), "\(job.errors)")
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: epoch 1, step ") && line.contains("; the step is not saved; "), "\(line)")
      let images = job.errors.filter { $0.hasSuffix("_leftImg8bit.png: in the batch of this step") }
      #expect(images.count == 4)
      #expect(
        images.allSatisfy { FileManager.default.fileExists(atPath: String($0.dropFirst(7).prefix { $0 != ":" })) })
      #expect(run.savedSteps == [1])
      #expect(!FileManager.default.fileExists(atPath: run.model))

      let path = try #require(line.firstMatch(of: /--resume (\S+step-\d+)/)?.1)
      let steps = run.losses.count
      let again = try run.train("--resume", String(path), "--learning-rate", "0.005", "--stop-after", "1")
      #expect(again.status == 0, "\(again.errors)")
      #expect(steps >= 2 && run.losses.count == 2 && run.savedSteps == [1, 2])
    }

    @Test(
      "With --on-nonfinite skip a bad batch is left out, on any number of ranks and after a stop; without, it ends the run"
    )
    func skipped() throws {
      let (data, weights) = try (grayStreets(sharp: [2, 3]), overflowing(scale: 2e19))
      let options = [
        "--batch-size", "2", "--epochs", "1", "--augment", "none", "--pretrained", weights, "--checkpoint-every", "1",
        "--keep", "9",
      ]
      let (run, two, stopped) = (
        try TrainingRun("skipped", on: data), try TrainingRun("skipped-two", on: data),
        try TrainingRun("skipped-after", on: data)
      )
      defer {
        for run in [run, two, stopped] { run.remove() }
        for path in [data, weights] { try? FileManager.default.removeItem(atPath: path) }
      }
      let skip = ["--on-nonfinite", "skip"]
      let job = try run.train(options + skip)
      #expect(job.status == 0, "\(job.errors)")
      let lines = job.errors.filter { $0.contains(" skipped") }
      try #require(lines.count == 2, "\(job.errors)")
      #expect(
        lines[0].hasPrefix("epoch 1/1 step 2/4 skipped: the running statistic regular_stream.backbone."), "\(lines)")
      #expect(
        lines[0].contains("_000002_000019_leftImg8bit.png, ") && lines[0].contains("_000003_000019_leftImg8bit.png"))
      #expect(lines[1].hasPrefix("epoch 1/1 in ") && lines[1].hasSuffix("; 1 step skipped"))
      #expect(run.losses.count == 3 && run.losses.allSatisfy(\.isFinite))
      #expect(run.savedSteps == [1, 3, 4], "a step that is left out is not saved")

      #expect(try two.train(ranks: 2, options + skip).status == 0)
      try two.expectSame(as: run)

      let failed = try stopped.train(options)
      #expect(failed.status == 1)
      let line = try #require(failed.errors.last)
      #expect(line.hasPrefix("gscnn: epoch 1, step 2: the running statistic "), "\(line)")
      #expect(line.hasSuffix(", or leave out such steps with --resume auto --on-nonfinite skip"), "\(line)")
      #expect(stopped.savedSteps == [1])
      #expect(try stopped.train(options + skip + ["--resume", "auto"]).status == 0)
      try stopped.expectSame(as: run)
    }

    @Test("After five skipped steps in a row the run ends")
    func skippedTooOften() throws {
      let (data, weights) = try (grayStreets(sharp: 0..<12), overflowing(scale: 2e19))
      let run = try TrainingRun("skipped-always", on: data)
      defer {
        run.remove()
        for path in [data, weights] { try? FileManager.default.removeItem(atPath: path) }
      }
      let job = try run.train(
        "--batch-size", "2", "--epochs", "1", "--augment", "none", "--pretrained", weights, "--on-nonfinite", "skip")
      #expect(job.status == 1)
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: epoch 1, step 6: "), "\(line)")
      #expect(line.contains(", after 5 skipped steps in a row; ") && line.contains("another --save-path"), "\(line)")
      #expect(run.losses == [])
    }

    @Test("A model with a validation loss that is not finite is not the best")
    func validation() throws {
      // Training uses the statistics of the batch, validation the running ones.
      let weights = try altered("seg.4.running_mean") { _ in -3e38 }
      let run = try TrainingRun("validation-nan", on: Trainings.fewStreets.get())
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: weights)
      }
      let job = try run.train("--epochs", "1", "--pretrained", weights)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.contains { $0.hasPrefix("  val ") && $0.contains("nan") }, "\(job.errors)")
      #expect(job.errors.last == "done" && !job.errors.contains { $0.hasSuffix("best so far") }, "\(job.errors)")
      #expect(!FileManager.default.fileExists(atPath: run.model))
    }

    @Test("An output that is not finite is no prediction: evaluate, predict and view name the image")
    func output() throws {
      let weights = try altered("seg.4.running_mean") { _ in -3e38 }
      let data = try Trainings.fewStreets.get()
      let results = try RunFolder.new("output-nan")
      defer { for path in [weights, results] { try? FileManager.default.removeItem(atPath: path) } }
      let image = try #require(try CityscapesDirectory(root: data).samples(of: .val).first).image
      for words in [
        ["evaluate", "--data-path", data], ["evaluate", "--data-path", data, "--flip"],
        ["view", "--data-path", data, "--input-pic", image, "--output", "\(results).png"],
        ["predict", image, "--output", results], ["predict", image, "--output", results, "--window", "32x32"],
      ] {
        let job = try Job.run("gscnn", words + ["--model-weight", weights, "--threads", "1"])
        #expect(job.status == 1 && job.output == [], "\(words)")
        #expect(
          job.errors.contains {
            $0.hasPrefix("gscnn: \(image): the network's output for this image is infinite or not a number")
          }, "\(job.errors)")
      }
    }

    @Test("Steps that are left out push no checkpoint out")
    func skippedAndSaved() throws {
      let (data, weights) = try (grayStreets(sharp: 2..<12), overflowing(scale: 2e19))
      let run = try TrainingRun("skipped-saved", on: data)
      defer {
        run.remove()
        for path in [data, weights] { try? FileManager.default.removeItem(atPath: path) }
      }
      let job = try run.train(
        "--batch-size", "2", "--epochs", "1", "--augment", "none", "--pretrained", weights, "--on-nonfinite", "skip",
        "--checkpoint-every", "1", "--keep", "2", "--stop-after", "5")
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.count { $0.contains(" skipped: ") } == 4, "\(job.errors)")
      #expect(run.savedSteps == [1, 5], "the last one is that of the stop")
    }

    // MARK: - Files

    @Test(
      "Weights that are not finite are refused by train, evaluate and view with the first tensor; info reports them")
    func weights() throws {
      let weights = try altered("seg.3.weight") { $0 < 2 ? .nan : nil }
      let data = try Trainings.fewStreets.get()
      let run = try TrainingRun("weights-nan", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: weights)
      }
      let image = "val/synthetica/synthetica_000000_000019_leftImg8bit.png"
      for job in [
        try run.train("--pretrained", weights), try run.train(ranks: 2, "--pretrained", weights),
        try Job.run("gscnn", ["evaluate", "--data-path", data, "--model-weight", weights]),
        try Job.run(
          "gscnn", ["evaluate", "--data-path", data, "--model-weight", weights], ranks: 2, mpirun: ["--quiet"]),
        try Job.run("gscnn", ["view", "--data-path", data, "--model-weight", weights, "--input-pic", image]),
      ] {
        #expect(job.status == 1)
        #expect(job.output == [])
        #expect(
          job.errors.last?.hasSuffix(
            "\(weights): 2 values of seg.3.weight are infinite or not a number; "
              + "give weights or a checkpoint from before the training diverged") == true, "\(job.errors)")
      }
      let info = try Job.run("gscnn", ["info", weights])
      #expect(info.status == 0)
      #expect(
        info.output.contains("2 values of 1 tensor are infinite or not a number, the first in seg.3.weight"),
        "\(info.output)")
    }

    @Test("--resume auto passes over a checkpoint that an earlier version saved after the model had diverged")
    func resumed() throws {
      let run = try TrainingRun("resumed-nan", on: Trainings.fewStreets.get())
      defer { run.remove() }
      #expect(try run.train("--stop-after", "1").status == 0)
      let good = try Checkpoint(folder: run.checkpoint(1))
      let replica = try replica()
      try good.restore(replica.model.store, velocities: replica.optimizer.velocities)
      replica.model.store.parameters[2].value[0] = .nan
      var state = try TrainingState(of: good)
      (state.position.step, state.totalSteps) = (2, 2)
      let store = try CheckpointStore(folder: run.checkpoints, keep: 3)
      try store.save(replica.model.store, velocities: replica.optimizer.velocities, step: 2, state: state)
      try store.finish()

      let job = try run.train("--resume", "auto", "--stop-after", "1")
      #expect(job.status == 0, "\(job.errors)")
      let name = replica.model.store.parameters[2].name
      #expect(
        job.errors.contains {
          $0.hasPrefix(
            "gscnn: skipped a checkpoint: \(run.checkpoint(2))/model.safetensors: 1 value of \(name) is infinite")
        }, "\(job.errors)")
      #expect(job.errors.contains("from \(run.checkpoint(1)): epoch 1, step 1"), "\(job.errors)")
      try Checkpoint(folder: run.checkpoint(2)).requireFinite()
    }

    // MARK: - Material

    /// Twelve training images of the color that normalization maps to almost zero, except for those in `sharp`.
    private func grayStreets(sharp: some Collection<Int>) throws -> String {
      let data = try RunFolder.new("gray")
      let size = Size(48, 72)
      try SyntheticStreets(train: sharp.count > 2 ? 12 : 8, val: 1, test: 1, size: size, seed: 5).write(to: data)
      let pixels = [[UInt8]](repeating: [124, 116, 104], count: size.height * size.width).flatMap { $0 }
      for (index, sample) in try CityscapesDirectory(root: data).samples(of: .train).enumerated()
      where !sharp.contains(index) {
        try PNG.write(Image(size, channels: 3, pixels: pixels), to: sample.image)
      }
      return data
    }

    /// Weights whose first convolution overflows the variance of the batch norm after it, except on gray images.
    private func overflowing(scale: Float) throws -> String {
      let model = try Safetensors(contentsOf: Trainings.straight.get().model)
      let first = try #require(GatedSCNN(.resnet50, seed: 0).store.parameters.first).name
      let values = try model.floats(first)
      return try altered(first) { values[$0] * scale }
    }

    /// A copy of a trained model in which a tensor has other values.
    private func altered(_ name: String, _ value: @escaping (Int) -> Float?) throws -> String {
      let model = try Safetensors(contentsOf: Trainings.straight.get().model)
      let path = try RunFolder.new("altered") + ".safetensors"
      let tensors = model.entries.map { entry in
        SafetensorsWriter.TensorRecord(entry.name, entry.type, entry.shape) { bytes in
          model.withBytes(of: entry) { bytes.copyMemory(from: $0) }
          guard entry.name == name else { return }
          for index in 0..<entry.count {
            if let value = value(index) { bytes.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self) }
          }
        }
      }
      try SafetensorsWriter.write(tensors, to: path)
      return path
    }
  }
}
