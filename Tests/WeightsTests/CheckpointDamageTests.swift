import Foundation
import Glibc
import System
import Testing
import Weights

@Suite("Damaged and unfinished checkpoints")
struct CheckpointDamageTests {
  private let bench: CheckpointBench

  init() throws { bench = try CheckpointBench() }

  private static let files = ["checksums", "model.safetensors", "momentum.safetensors", "state.json"]

  @Test("A change of any single byte is found and named, and the checkpoint before is taken", arguments: files)
  func corruption(file: String) throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    try bench.save(2, to: store)
    let place = "checkpoints/step-00000002/" + file
    let whole = try bench.folder.bytes(place)
    for position in whole.indices {
      for flip: UInt8 in [0x01, 0x20] {
        var bytes = whole
        bytes[position] ^= flip
        try bench.folder.file(place, bytes)
        var named: [String] = []
        let checkpoint = Checkpoint.latestValid(in: bench.path) { named.append("\($0)") }
        #expect(checkpoint?.step == 1, "byte \(position) of \(file)")
        #expect(named.count == 1 && named.first?.contains("step-00000002") == true, "byte \(position) of \(file)")
      }
    }
    try bench.folder.file(place, whole)
    #expect(store.latestValid()?.step == 2)
  }

  @Test("A file that is cut short, grows or is gone is found", arguments: files)
  func lengths(file: String) throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    try bench.save(2, to: store)
    let place = "checkpoints/step-00000002/" + file
    let whole = try bench.folder.bytes(place)
    for bytes in [[], Array(whole.dropLast()), whole + [0x20], whole + [0x0A]] {
      try bench.folder.file(place, bytes)
      #expect(store.latestValid()?.step == 1)
    }
    try FileManager.default.removeItem(atPath: bench.folder.place(place))
    #expect(store.latestValid()?.step == 1)
    #expect(throws: WeightsError.self) { try Checkpoint.find(at: bench.path + "/step-00000002") }
  }

  @Test("A run that resumed past a damaged checkpoint writes that step anew")
  func resumedPastDamage() throws {
    let store = try bench.store(keep: 2)
    try bench.save(1, to: store)
    try bench.save(2, to: store)
    for file in Self.files {
      try bench.folder.file("checkpoints/step-00000002/" + file, [0])
      #expect(store.latestValid()?.step == 1)
      try bench.save(2, to: store)
      #expect(try bench.isIntact(store.latestValid()))
    }
  }

  @Test("A checkpoint known to be damaged does not push a whole one out")
  func damagedDoesNotCount() throws {
    let store = try bench.store(keep: 2)
    for step in 1...2 { try bench.save(step, to: store) }
    try bench.folder.file("checkpoints/step-00000002/state.json", [0])
    #expect(store.latestValid()?.step == 1)
    try bench.save(3, to: store)
    #expect(try bench.listing() == ["1", "2", "3"])
  }

  /// Operations that saving one checkpoint takes, the store being there.
  private func operations(keep: Int, before: [Int], saving step: Int) throws -> Int {
    let other = try CheckpointBench()
    let store = try other.store(keep: keep)
    for step in before { try other.save(step, to: store) }
    let counter = FaultyFileSystem.Counter()
    let counted = try other.store(keep: keep, on: FaultyFileSystem.counting(counter))
    try other.save(step, to: counted)
    return counter.count
  }

  @Test(
    "Killed before any one of its operations, a save leaves a whole checkpoint, and the next run works on",
    arguments: [(keep: 1, step: 3), (keep: 2, step: 3), (keep: 2, step: 2)])
  func killedAnywhere(keep: Int, step: Int) throws {
    let operations = try operations(keep: keep, before: [1, 2], saving: step)
    #expect(operations > 15)
    var outcomes = Set<Int>()
    for number in 1...operations {
      let bench = try CheckpointBench()
      let whole = try bench.store(keep: keep)
      for step in [1, 2] { try bench.save(step, to: whole) }
      let dying = try bench.store(keep: keep, on: FaultyFileSystem.dying(before: number))
      #expect(throws: FaultyFileSystem.Fault.self) { try bench.save(step, content: 33, to: dying) }

      let next = try bench.store(keep: keep)
      var damaged: [any Error] = []
      let checkpoint = try #require(next.latestValid { damaged.append($0) }, "operation \(number)")
      #expect(damaged.isEmpty, "operation \(number)")
      let isNew = try bench.isIntact(checkpoint, content: 33)
      #expect(try isNew || bench.isIntact(checkpoint, content: 2), "operation \(number)")
      outcomes.insert(isNew ? 33 : 2)
      #expect(try bench.folder.names(in: "checkpoints").allSatisfy { $0.hasPrefix("step-") }, "operation \(number)")
      try bench.save(4, to: next)
      #expect(try bench.isIntact(next.latestValid()))
    }
    #expect(outcomes == [2, 33])
  }

  @Test("Whichever operation fails, the save says so, the run goes on and the next save succeeds")
  func failsAnywhere() throws {
    let operations = try operations(keep: 2, before: [1, 2], saving: 3)
    for number in 1...operations {
      let bench = try CheckpointBench()
      let whole = try bench.store(keep: 2)
      for step in [1, 2] { try bench.save(step, to: whole) }
      let failing = try bench.store(keep: 2, on: FaultyFileSystem.failingOnce(at: number))
      #expect(throws: FaultyFileSystem.Fault.self, "operation \(number)") { try bench.save(3, to: failing) }
      #expect(try bench.isIntact(failing.latestValid()), "operation \(number)")
      try bench.save(4, to: failing)
      #expect(try bench.isIntact(failing.latestValid()))
    }
  }

  @Test("A full disk costs no checkpoint, leaves nothing behind, and is told at the next call", arguments: files)
  func fullDisk(file: String) throws {
    let good = try bench.store(keep: 1)
    try bench.save(1, to: good)
    let store = try bench.store(keep: 1, on: FaultyFileSystem.full(for: file))
    let network = smallNetwork(seed: 2)
    let velocities = smallVelocities(network, seed: 2)
    try store.save(network, velocities: velocities, step: 2, state: RunState(step: 2))
    let error = #expect(throws: WeightsError.self) {
      try store.save(network, velocities: velocities, step: 3, state: RunState(step: 3))
    }
    #expect(error?.problem == .refused("write it", errno: ENOSPC))
    #expect(throws: WeightsError.self) { try store.finish() }
    try store.finish()
    #expect(try bench.listing() == ["1"])
    #expect(try bench.isIntact(store.latestValid()))
  }

  @Test("A place where no folder can be made is refused at the start, by name")
  func noFolder() throws {
    let file = try bench.folder.file("file", [1])
    #expect(throws: WeightsError(file + "/checkpoints", .refused("make this folder", errno: ENOTDIR))) {
      try CheckpointStore(folder: file + "/checkpoints", keep: 1)
    }
  }
}
