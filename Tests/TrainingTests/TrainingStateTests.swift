import Cityscapes
import Foundation
import Layers
import System
import Tensors
import Testing
import Training
import Weights

@Suite("Training state")
struct TrainingStateTests {
  /// A state.json of the first version: `picturesPerSecond`, augmentation `seed`.
  @Test("A checkpoint of an earlier version is read, and its augmentation is the random one")
  func earlierVersion() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/state-0.1.json")
    let state = try TrainingState(encoded: [UInt8](Data(contentsOf: file)))
    #expect(state.position == Position(epoch: 1, step: 2) && state.totalSteps == 6)
    #expect(state.dataDigest == 1_542_868_795_603_796_241)
    #expect(state.epochs.map(\.imagesPerSecond) == [3.2291449812762756])
    #expect(state.epochs.first?.loading?.decoded == 16)
    #expect(state.running.steps == 2)
    #expect(state.options.augmentation == .random && state.options.validators == .rank0)
    #expect(state.options.test == .never, "the option was a flag")
    #expect(state.options.augmentationOptions == AugmentationOptions(), "there were no such options")
    try state.requireSameTraining(as: state.options)
    #expect(try TrainingState(encoded: state.encoded()) == state)
  }

  @Test(
    "A state with a value that no run writes is refused by the name of its file and of the value",
    arguments: [
      (#""totalSteps" : 7"#, #""totalSteps" : 8"#, "totalSteps is 8"),
      (#""epoch" : 1"#, #""epoch" : -1"#, "position.epoch is -1"),
      (#""epoch" : 1"#, #""epoch" : 4000000000"#, "position.epoch is 4000000000"),
      (#""step" : 2"#, #""step" : -9223372036854775808"#, "position.step is -9223372036854775808"),
      (#""steps" : 2"#, #""steps" : 9223372036854775807"#, "running.steps is 9223372036854775807"),
      (#""lossSum" : 0.5"#, #""lossSum" : "nan""#, "running.lossSum is nan"),
      (#""secondsWaited" : 0.25"#, #""secondsWaited" : 1e300"#, "running.loading.secondsWaited is 1e+300"),
      (#""decoded" : 0"#, #""decoded" : 9223372036854775807"#, "running.loading.decoded is 9223372036854775807"),
      (#""counts" : ["#, #""counts" : [ 1,"#, "running.confusion is out of range"),
      (#""bestMeanIoU" : 0.75"#, #""bestMeanIoU" : "-inf""#, "bestMeanIoU is -inf"),
    ])
  func impossibleValue(field: String, value: String, problem: String) throws {
    var state = TrainingState(options: TrainingOptions())
    state.position = Position(epoch: 1, step: 2)
    state.totalSteps = 7
    state.bestScore = 0.75
    state.running.steps = 2
    state.running.lossSum = 0.5
    state.running.loading = Loader.Statistics(secondsWaited: 0.25, decoded: 0, cached: 0)
    let folder = try RunFolder.new("states")
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = ParameterStore()
    _ = network.root.vector("bias", 1, initial: .constant(0))
    network.allocate(seed: 1)
    let store = try CheckpointStore(folder: folder, keep: 1)
    try store.save(network, velocities: network.values, step: 7, state: state)
    try store.finish()
    let checkpoint = folder + "/step-00000007"
    #expect(try TrainingState(of: Checkpoint(folder: checkpoint)) == state)

    let text = try String(contentsOfFile: checkpoint + "/state.json", encoding: .utf8)
    let changed = text.replacingOccurrences(of: field, with: value)
    try #require(changed != text, "\(text)")
    try replaceState(of: checkpoint, by: Data(changed.utf8))
    do {
      _ = try TrainingState(of: Checkpoint(folder: checkpoint))
      Issue.record("\(changed) is accepted")
    } catch {
      #expect("\(error)".hasPrefix("\(checkpoint)/state.json: holds a state that cannot be decoded: "))
      #expect("\(error)".contains(problem), "\(error)")
    }
  }

  /// Replaces the state in a checkpoint, with its checksum.
  private func replaceState(of checkpoint: String, by state: Data) throws {
    func hash(_ data: Data) -> String { data.withUnsafeBytes(XXH64.hash).zeroPadded(to: 16, radix: 16) }
    try state.write(to: URL(fileURLWithPath: checkpoint + "/state.json"))
    let manifest = URL(fileURLWithPath: checkpoint + "/checksums")
    var lines = try String(contentsOf: manifest, encoding: .utf8).split(separator: "\n").dropLast().map { line in
      line.hasSuffix(" state.json") ? "\(hash(state)) \(state.count) state.json" : String(line)
    }
    lines.append(hash(Data((lines.joined(separator: "\n") + "\n").utf8)) + " checksums")
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: manifest)
  }
}
