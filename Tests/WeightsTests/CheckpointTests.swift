import Foundation
import Layers
import System
import Tensors
import Testing
import Weights

/// The state that a test saves in a checkpoint.
struct RunState: Codable, Equatable {
  var epoch: Int
  var step: Int
  var seed: UInt64
  var options: [String: String]
  var best: Double
  var losses: [Float]

  init(step: Int) {
    epoch = step / 10
    self.step = step
    seed = .max
    options = ["backbone-type": "resnet50", "save-path": "a/b \"c\""]
    best = -.infinity
    losses = (0..<step).map { 1 / Float($0 + 3) }
  }
}

/// Saves checkpoints of small networks, whose seed is their step, and inspects them.
struct CheckpointBench {
  let folder: TestFolder
  let path: String

  init() throws {
    folder = try TestFolder()
    path = folder.place("checkpoints")
  }

  func store(keep: Int = 3, in fileSystem: FileSystem = FileSystem()) throws -> CheckpointStore {
    try CheckpointStore(folder: path, keep: keep, in: fileSystem)
  }

  /// - Parameters:
  ///   - content: seed of the network that is saved, unless it is the step.
  ///   - average: seed of the average of its weights; nil without one.
  func save(
    _ step: Int, content: Int? = nil, average: Int? = nil, to store: CheckpointStore, best: Bool = false
  ) throws {
    let network = smallNetwork(seed: UInt64(content ?? step))
    try store.save(
      network, velocities: smallVelocities(network, seed: UInt64(content ?? step)),
      average: average.map { smallNetwork(seed: UInt64($0)) }, step: step, state: RunState(step: step), best: best)
    try store.finish()
  }

  /// The steps of the checkpoints in the directory, and the names of anything else.
  func listing() throws -> [String] {
    try folder.names(in: "checkpoints").map { $0.hasPrefix("step-") ? String(Int($0.dropFirst(5)) ?? -1) : $0 }
  }

  /// Whether a checkpoint restores everything that was saved.
  func isIntact(_ checkpoint: Checkpoint?, content: Int? = nil) throws -> Bool {
    guard let checkpoint else { return false }
    let seed = UInt64(content ?? checkpoint.step)
    let network = smallNetwork(seed: 999)
    let velocities = smallVelocities(network, seed: 999)
    try checkpoint.restore(network, velocities: velocities)
    let expected = smallNetwork(seed: seed)
    let state = try checkpoint.state(as: RunState.self)
    return contents(network) == contents(expected)
      && velocities.values.map(\.bitPattern) == smallVelocities(expected, seed: seed).values.map(\.bitPattern)
      && state == RunState(step: checkpoint.step)
  }
}

@Suite("Checkpoints")
struct CheckpointTests {
  private let bench: CheckpointBench

  init() throws { bench = try CheckpointBench() }

  @Test(
    "A checkpoint that an earlier version saved with values that are not finite is passed over by name",
    arguments: ["model", "momentum"])
  func notFinite(file: String) throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    let network = smallNetwork(seed: 2)
    let velocities = smallVelocities(network, seed: 2)
    let bias = try #require(network.parameters.last)
    (file == "model" ? bias.value : FloatSlice(velocities.buffer, offset: bias.offset, count: 2))[1] = .nan
    try store.save(network, velocities: velocities, step: 2, state: RunState(step: 2))
    try store.finish()

    var skipped: [String] = []
    #expect(store.latestValid { skipped.append("\($0)") }?.step == 1)
    #expect(skipped.count == 1)
    #expect(
      skipped.first?.hasPrefix(
        "\(bench.path)/step-00000002/\(file).safetensors: 1 value of seg.bias is infinite or not")
        == true, "\(skipped)")
    #expect(store.newest { $0 < 9 } == "\(bench.path)/step-00000001", "not advised either")
    let damaged = try Checkpoint(folder: bench.path + "/step-00000002")
    let before = contents(network)
    #expect(throws: WeightsError.self) { try damaged.restore(network, velocities: velocities) }
    #expect(contents(network) == before)
  }

  @Test("The average of the weights is restored bit for bit, and is there only if there was one")
  func average() throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    try bench.save(2, average: 7, to: store)
    #expect(store.latestValid()?.step == 2)
    let (plain, averaged) = (
      try Checkpoint(folder: bench.path + "/step-00000001"), try Checkpoint(folder: bench.path + "/step-00000002")
    )
    #expect(!plain.hasAverage && averaged.hasAverage)
    #expect(try bench.isIntact(averaged))
    let network = smallNetwork(seed: 999)
    try plain.restoreAverage(network)
    #expect(contents(network) == contents(smallNetwork(seed: 999)))
    try averaged.restoreAverage(network)
    #expect(contents(network) == contents(smallNetwork(seed: 7)))
  }

  @Test("Network, momentum and state are restored bit for bit")
  func roundTrip() throws {
    let store = try bench.store()
    #expect(store.latestValid() == nil)
    try bench.save(123, to: store)
    #expect(try bench.folder.names(in: "checkpoints") == ["step-00000123"])
    #expect(
      try bench.folder.names(in: "checkpoints/step-00000123")
        == ["checksums", "model.safetensors", "momentum.safetensors", "state.json"])
    #expect(try bench.isIntact(store.latestValid()))
    #expect(try bench.isIntact(Checkpoint(folder: bench.path + "/step-00000123")))
  }

  @Test("The same state gives the same bytes")
  func reproducible() throws {
    let other = try CheckpointBench()
    try bench.save(5, to: bench.store())
    try other.save(5, to: other.store())
    for name in try bench.folder.names(in: "checkpoints/step-00000005") {
      let place = "checkpoints/step-00000005/" + name
      #expect(try bench.folder.bytes(place) == other.folder.bytes(place))
    }
  }

  @Test("The momentum file has exactly the parameters' names, and PyTorch's shapes")
  func momentumNames() throws {
    try bench.save(5, to: bench.store())
    let folder = bench.path + "/step-00000005/"
    let (model, momentum) = try (
      Safetensors(contentsOf: folder + "model.safetensors"), Safetensors(contentsOf: folder + "momentum.safetensors")
    )
    #expect(Set(momentum.entries.map(\.name)) == Set(smallNetwork(seed: 1).parameters.map(\.name)))
    for entry in momentum.entries { #expect(model[entry.name]?.shape == entry.shape) }
  }

  @Test("Changes of the network while its checkpoint is being written do not affect it")
  func snapshot() throws {
    let store = try bench.store()
    let network = smallNetwork(seed: 8)
    let velocities = smallVelocities(network, seed: 8)
    try store.save(network, velocities: velocities, step: 8, state: RunState(step: 8))
    network.values.buffer.clear()
    network.running.buffer.clear()
    velocities.buffer.clear()
    try store.finish()
    #expect(try bench.isIntact(store.latestValid()))
  }

  @Test("The last K and the best are kept")
  func rotation() throws {
    let store = try bench.store(keep: 2)
    for step in 1...3 { try bench.save(step, to: store) }
    #expect(try bench.listing() == ["2", "3"])
    try bench.save(4, to: store, best: true)
    for step in 5...8 { try bench.save(step, to: store) }
    #expect(try bench.listing() == ["4", "7", "8"])
    try bench.save(9, to: store, best: true)
    #expect(try bench.listing() == ["8", "9"], "the previous best is no longer kept")
    try bench.save(10, to: bench.store(keep: 1))
    #expect(
      try bench.listing() == ["9", "10"], "a later run keeps it as the best")
    #expect(try bench.isIntact(store.latestValid()))
  }

  @Test("The newest is the one written last, even if a run restarted at an earlier step")
  func newestIsLast() throws {
    let store = try bench.store(keep: 3)
    for step in [100, 200, 300] { try bench.save(step, to: store) }
    try bench.save(50, to: store)
    #expect(store.latestValid()?.step == 50)
    #expect(try bench.listing() == ["50", "200", "300"])
    // The same step again replaces the checkpoint.
    try bench.save(200, content: 7, to: store)
    #expect(try bench.isIntact(store.latestValid(), content: 7))
    #expect(try bench.listing() == ["50", "200", "300"])
  }

  @Test("Only what the store wrote itself is removed")
  func foreignFolders() throws {
    let store = try bench.store(keep: 1)
    try bench.save(1, to: store)
    try bench.folder.file("checkpoints/step-00000001/notes.txt", [1])
    try bench.folder.file("checkpoints/step-00000000/model.safetensors", [1])
    try bench.folder.file("checkpoints/step-7/checksums", [1])
    try bench.folder.file("checkpoints/.tmp-mine/model.safetensors", [1])
    try bench.folder.file("checkpoints/.tmp-step-00000009/notes.txt", [1])
    try bench.folder.file("checkpoints/.tmp-step-00000008", [1])
    let before = try bench.folder.names(in: "checkpoints")
    let again = try bench.store(keep: 1)
    try bench.save(2, to: again)
    try bench.save(3, to: again)
    #expect(try bench.folder.names(in: "checkpoints") == (before + ["step-00000003"]).sorted())
  }

  @Test("A foreign directory with the name of a checkpoint is renamed, not removed")
  func inTheWay() throws {
    try bench.folder.file("checkpoints/step-00000004/thesis.tex", [1, 2])
    let store = try bench.store()
    try bench.save(4, to: store)
    #expect(try bench.isIntact(store.latestValid()))
    #expect(try bench.folder.bytes("checkpoints/unknown-step-00000004-1/thesis.tex") == [1, 2])
  }

  @Test("Restoring a checkpoint of another network fails and changes nothing")
  func otherNetwork() throws {
    let store = try bench.store()
    try bench.save(4, to: store)
    let checkpoint = try #require(store.latestValid())
    let network = smallNetwork(seed: 6, outputs: 9)
    let velocities = smallVelocities(network, seed: 6)
    #expect(throws: WeightsError.self) { try checkpoint.restore(network, velocities: velocities) }
    #expect(contents(network) == contents(smallNetwork(seed: 6, outputs: 9)))
    #expect(velocities.values == smallVelocities(network, seed: 6).values)
    #expect(throws: WeightsError.self) { try checkpoint.state(as: [Int].self) }
  }

  @Test("A checkpoint is found by its path, its directory, its run, or results with one run")
  func finding() throws {
    let results = bench.folder.path
    let run = try CheckpointStore(folder: results + "/results/resnet50_512_512/checkpoints", keep: 3)
    for step in 1...2 { try bench.save(step, to: run) }
    for path in ["", "/resnet50_512_512", "/resnet50_512_512/checkpoints"] {
      #expect(try bench.isIntact(Checkpoint.find(at: results + "/results" + path)))
      #expect(try Checkpoint.find(at: results + "/results" + path).step == 2)
    }
    #expect(try Checkpoint.find(at: run.path + "/step-00000001").step == 1)
    #expect(throws: WeightsError(results, .noCheckpoint)) { try Checkpoint.find(at: results) }
    #expect(throws: WeightsError("/nowhere", .noCheckpoint)) { try Checkpoint.find(at: "/nowhere") }
    let second = try CheckpointStore(folder: results + "/results/resnet101_512_512/checkpoints", keep: 3)
    try bench.save(3, to: second)
    #expect(throws: WeightsError(results + "/results", .severalFolders([second.path, run.path]))) {
      try Checkpoint.find(at: results + "/results")
    }
  }
}
