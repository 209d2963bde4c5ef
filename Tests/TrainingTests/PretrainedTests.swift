import Foundation
import GatedSCNN
import Jobs
import Testing
import Weights

extension Trainings {
  @Suite("Pretrained weights")
  struct PretrainedTests {
    /// With a learning rate of 0 the parameters stay; the running statistics still change.
    private static let oneStepWithoutUpdate = ["--learning-rate", "0", "--stop-after", "1"]

    @Test("A whole network is loaded, and the matched tensors are counted")
    func wholeNetwork() throws {
      let run = try TrainingRun("pretrained", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let source = try Trainings.straight.get().model
      let job = try run.train(["--pretrained", source] + Self.oneStepWithoutUpdate)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.contains("from \(source), 476 tensors loaded, named as by Gated-SCNN: epoch 1, step 0"))
      let (given, loaded) = (try Safetensors(contentsOf: source), try started(run))
      for parameter in GatedSCNN(.resnet50, seed: 0).store.parameters {
        #expect(try loaded.floats(parameter.name) == given.floats(parameter.name), "\(parameter.name)")
      }
    }

    @Test("A backbone with timm's names is loaded, the rest is initialized from the seed, on every rank")
    func backbone() throws {
      let run = try TrainingRun("backbone", on: Trainings.fewStreets.get())
      let source = try RunFolder.new("timm") + ".safetensors"
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: source)
      }
      let whole = try Safetensors(contentsOf: Trainings.straight.get().model)
      let prefix = ModelFile.backbonePrefix
      var tensors = [outgoing("fc.weight", [2, 3], [0, 1, 2, 3, 4, 5])]
      for entry in whole.entries where entry.name.hasPrefix(prefix) && entry.type == .float32 {
        tensors.append(outgoing(String(entry.name.dropFirst(prefix.count)), entry.shape, try whole.floats(entry.name)))
      }
      try SafetensorsWriter.write(tensors, to: source)

      let job = try run.train(ranks: 2, ["--pretrained", source, "--seed", "9"] + Self.oneStepWithoutUpdate)
      #expect(job.status == 0, "\(job.errors)")
      let line = try #require(job.errors.first { $0.hasPrefix("from \(source), ") })
      // The file has no num_batches_tracked, and none is missed.
      let counted = GatedSCNN(.resnet50, seed: 0).store.counters.count
      #expect(
        line.contains(
          "\(tensors.count - 1) tensors loaded, named as by timm; \(476 - counted - tensors.count + 1) missing from the file: "
        ))
      let loaded = try started(run)
      let fresh = GatedSCNN(.resnet50, seed: 9).store
      for parameter in fresh.parameters where parameter.name.hasPrefix(prefix) {
        #expect(try loaded.floats(parameter.name) == whole.floats(parameter.name), "\(parameter.name)")
      }
      // Vectors have the same layout as in PyTorch.
      for parameter in fresh.parameters where !parameter.name.hasPrefix(prefix) && parameter.layout.shape.count == 1 {
        #expect(try loaded.floats(parameter.name) == parameter.value.values, "\(parameter.name)")
      }
      #expect(try loaded.floats("seg.0.weight") != whole.floats("seg.0.weight"))
    }

    private func started(_ run: TrainingRun) throws -> Safetensors {
      try Safetensors(contentsOf: run.checkpoint(1) + "/model.safetensors")
    }

    private func outgoing(_ name: String, _ shape: [Int], _ values: [Float]) -> SafetensorsWriter.TensorRecord {
      SafetensorsWriter.TensorRecord(name, .float32, shape) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
  }
}
