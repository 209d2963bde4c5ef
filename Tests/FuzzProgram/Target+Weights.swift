import Foundation
import ImageFixtures
import Layers
import Metrics
import System
import Tensors
import Training
import Weights

extension Target {
  /// A network with every kind of entry.
  static func network() -> ParameterStore {
    let store = ParameterStore()
    _ = (store.root / "conv").weight(kernel: 3, from: 2, to: 3)
    _ = (store.root / "bn").vector("weight", 3, initial: .constant(1))
    _ = (store.root / "bn").statistic("running_mean", 3, initial: 0)
    _ = (store.root / "bn").counter("num_batches_tracked")
    store.allocate(seed: 1)
    return store
  }

  private static func safetensors(_ header: String, bytes: Int) -> [UInt8] {
    let count = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * UInt64($0))) } + Array(header.utf8)
      + [UInt8](repeating: 0x3F, count: bytes)
  }

  /// Files of weights: the header, the numbers of each tensor, loading into a network.
  static func safetensors(_ folder: Folder) throws -> Target {
    let path = folder.place("seed.safetensors")
    try ModelFile.write(network(), to: path, metadata: ["epoch": "7"])
    let types = ElementType.allCases.map(\.rawValue)
    var at = 0
    let all = ElementType.allCases.map { type in
      defer { at += 2 * type.size }
      return
        "\"a.\(type)\":{\"dtype\":\"\(type.rawValue)\",\"shape\":[2,1],\"data_offsets\":[\(at),\(at + 2 * type.size)]}"
    }.joined(separator: ",")
    return Target(
      name: "safetensors", share: 25,
      seeds: [
        try bytes(of: path), safetensors("{\(all)}", bytes: at), safetensors("{}", bytes: 0),
        safetensors(#"{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}"#, bytes: 0),
      ],
      words: types + ["4611686018427387904", "dtype", "shape", "data_offsets", "__metadata__", "conv.weight"],
      repair: { input in
        // The length of the header, up to its last brace.
        guard input.count > 8, let end = input[8...].lastIndex(of: UInt8(ascii: "}")) else { return input }
        return (0..<8).map { UInt8(truncatingIfNeeded: UInt64(end - 7) >> (8 * UInt64($0))) } + input[8...]
      }
    ) { input in
      let path = try folder.write(input, as: "input.safetensors")
      let file = try Safetensors(contentsOf: path)
      for entry in file.entries {
        _ = try? file.floats(entry.name)
        _ = file.nonFiniteCount(entry)
      }
      _ = try CheckpointInspector.text(of: path, listing: true)
      let store = network()
      _ = try? ModelFile.load(path, into: store, strict: false)
      try ModelFile.load(path, into: store)
    }
  }

  /// A checkpoint whose manifest matches its files: the input is its state.
  static func checkpoint(_ folder: Folder) throws -> Target {
    let checkpoints = folder.place("checkpoints")
    let store = network()
    let velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
    let written = try CheckpointStore(folder: checkpoints, keep: 1)
    try written.save(store, velocities: velocities, step: 5, state: sampleState(), best: true)
    try written.finish()
    let checkpoint = checkpoints + "/step-00000005"
    let manifest = try bytes(of: checkpoint + "/checksums")
    return Target(
      name: "checkpoint", share: 20, seeds: [try bytes(of: checkpoint + "/state.json")], words: stateWords
    ) { input in
      try folder.write(input, as: "checkpoints/step-00000005/state.json")
      var lines = String(decoding: manifest, as: UTF8.self).split(separator: "\n").map(String.init)
      lines[5] = "\(input.withUnsafeBytes(XXH64.hash).zeroPadded(to: 16, radix: 16)) \(input.count) state.json"
      let text = lines[..<6].joined(separator: "\n") + "\n"
      let own = Array(text.utf8).withUnsafeBytes(XXH64.hash)
      try folder.write(
        (text + "\(own.zeroPadded(to: 16, radix: 16)) checksums\n").utf8, as: "checkpoints/step-00000005/checksums")
      let found = try Checkpoint.find(at: folder.path)
      try found.restore(store, velocities: velocities)
      try use(TrainingState(of: found))
      _ = try CheckpointInspector.text(of: checkpoint, listing: true)
    }
  }

  /// The manifest of a checkpoint.
  static func manifest(_ folder: Folder) throws -> Target {
    let checkpoints = folder.place("manifests")
    let store = network()
    let written = try CheckpointStore(folder: checkpoints, keep: 1)
    let velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
    try written.save(store, velocities: velocities, step: 5, state: sampleState())
    try written.finish()
    return Target(
      name: "manifest", share: 10, seeds: [try bytes(of: checkpoints + "/step-00000005/checksums")],
      words: ["serial ", "best yes", "best no", "gscnn checkpoint 1", "model.safetensors", "../", "checksums"],
      repair: { input in
        var lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast(2)
        lines.append([])
        let text = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
        return text + Array("\(text.withUnsafeBytes(XXH64.hash).zeroPadded(to: 16, radix: 16)) checksums\n".utf8)
      }
    ) { input in
      try folder.write(input, as: "manifests/step-00000005/checksums")
      _ = try Checkpoint.find(at: checkpoints)
    }
  }

  // MARK: - The state of a run

  private static let stateWords = [
    "position", "epoch", "step", "totalSteps", "options", "running", "confusion", "counts", "lossSum", "skipped",
    "resnet101",
    "random", "auto", "path", "bestMeanIoU", "epochs", "batchSize", "dataDigest",
  ]

  private static func sampleState() -> TrainingState {
    var options = TrainingOptions()
    options.resume = .path("results/step-00000003")
    options.cacheGigabytes = 1.5
    var state = TrainingState(options: options)
    state.position = Position(epoch: 1, step: 3)
    state.totalSteps = 5
    state.bestScore = 0.25
    state.running.confusion.add(prediction: [0, 3, 5], target: [0, 3, 255])
    let scores = EpochReport.Scores(
      loss: 2.5, pixelAccuracy: 0.9, meanAccuracy: 0.5, meanClassIoU: 0.4, meanCategoryIoU: 0.6)
    state.epochs = [
      EpochReport(
        epoch: 1, train: scores, validation: scores, learningRate: 0.01, seconds: 3, imagesPerSecond: .infinity)
    ]
    return state
  }

  /// What a resumed run computes from its state before the first step.
  private static func use(_ state: TrainingState) throws {
    _ = SegmentationMetrics(state.running.confusion, state.options.table)
    _ = try? state.requireSameTraining(as: TrainingOptions())
    _ = LearningRateSchedule(
      start: state.options.scaledLearningRate, power: state.options.power,
      state.options.length(stepsPerEpoch: 5), state.options.schedule
    )
    .learningRate(step: state.totalSteps)
    _ = try TrainingState(encoded: state.encoded())
  }

  /// The rows of earlier steps that a resumed run keeps.
  static func steps(_ folder: Folder) throws -> Target {
    let header = "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second\n"
    let rows = (1...9).map { "1,\($0),10.25,3.5,0.25,nan,0.01,,3.2\n" }.joined()
    return Target(
      name: "steps.csv", share: 5, seeds: [Array((header + rows).utf8), Array(header.utf8), []], words: ["epoch,step"]
    ) { input in
      let file = StepsFile(path: try folder.write(input, as: "steps.csv"), warn: { _ in })
      let run = RunDescription(
        options: TrainingOptions(), layout: [], parameters: 0, images: [:],
        length: TrainingLength(stepsPerEpoch: 9, epochs: 60),
        position: Position(epoch: 0, step: 7), origin: nil)
      try file.observe(.started(run))
      try file.observe(.finished(bestScore: nil, early: false))
    }
  }
}
