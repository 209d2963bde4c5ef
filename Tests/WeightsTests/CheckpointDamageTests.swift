import Foundation
import Glibc
import Synchronization
import System
import Testing
import Weights

@Suite("Corrupt and unfinished checkpoints")
struct CheckpointDamageTests {
  private let bench: CheckpointBench

  init() throws { bench = try CheckpointBench() }

  private static let files = [
    "checksums", "model.safetensors", "momentum.safetensors", "ema.safetensors", "state.json",
  ]

  @Test("A change of any byte is detected, the checkpoint is named and the one before is loaded", arguments: files)
  func corruption(file: String) throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    try bench.save(2, average: 7, to: store)
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

  @Test("A file of any other length, or a missing one, is detected", arguments: files)
  func lengths(file: String) throws {
    let store = try bench.store()
    try bench.save(1, to: store)
    try bench.save(2, average: 7, to: store)
    let place = "checkpoints/step-00000002/" + file
    let whole = try bench.folder.bytes(place)
    for bytes in whole.indices.map({ Array(whole[..<$0]) }) + [whole + [0x20], whole + [0x0A]] {
      try bench.folder.file(place, bytes)
      #expect(store.latestValid()?.step == 1, "\(bytes.count) bytes of \(file)")
    }
    try FileManager.default.removeItem(atPath: bench.folder.place(place))
    #expect(store.latestValid()?.step == 1)
    #expect(throws: (any Error).self) { try Checkpoint.find(at: bench.path + "/step-00000002") }
  }

  @Test("A run resumed before a corrupt checkpoint replaces it when it reaches that step")
  func resumedPastDamage() throws {
    let store = try bench.store(keep: 2)
    try bench.save(1, to: store)
    try bench.save(2, average: 7, to: store)
    for file in Self.files {
      try bench.folder.file("checkpoints/step-00000002/" + file, [0])
      #expect(store.latestValid()?.step == 1)
      try bench.save(2, average: 7, to: store)
      #expect(try bench.isIntact(store.latestValid()))
    }
  }

  @Test("A checkpoint known to be corrupt does not count towards those that are kept")
  func corruptDoesNotCount() throws {
    let store = try bench.store(keep: 2)
    for step in 1...2 { try bench.save(step, to: store) }
    try bench.folder.file("checkpoints/step-00000002/state.json", [0])
    #expect(store.latestValid()?.step == 1)
    try bench.save(3, to: store)
    #expect(try bench.listing() == ["1", "2", "3"])
  }

  /// The number of file system operations in which an existing store saves a checkpoint.
  private func operations(keep: Int, before: [Int], saving step: Int) throws -> Int {
    let other = try CheckpointBench()
    let store = try other.store(keep: keep)
    for step in before { try other.save(step, to: store) }
    let counter = FaultyFileSystem.Counter()
    let counted = try other.store(keep: keep, in: FaultyFileSystem.counting(counter))
    try other.save(step, to: counted)
    return counter.count
  }

  @Test(
    "Killed before any one of its operations, a save leaves a valid checkpoint, and the next run resumes",
    arguments: [(keep: 1, step: 3), (keep: 2, step: 3), (keep: 2, step: 2)])
  func killedAnywhere(keep: Int, step: Int) throws {
    let operations = try operations(keep: keep, before: [1, 2], saving: step)
    #expect(operations > 15)
    var outcomes = Set<Int>()
    for number in 1...operations {
      let bench = try CheckpointBench()
      let whole = try bench.store(keep: keep)
      for step in [1, 2] { try bench.save(step, to: whole) }
      let dying = try bench.store(keep: keep, in: FaultyFileSystem.dying(before: number))
      // Does not throw if only the removal of old checkpoints is missing.
      try? bench.save(step, content: 33, to: dying)

      let next = try bench.store(keep: keep)
      var corrupt: [any Error] = []
      let checkpoint = try #require(next.latestValid { corrupt.append($0) }, "operation \(number)")
      #expect(corrupt.isEmpty, "operation \(number)")
      let isNew = try bench.isIntact(checkpoint, content: 33)
      #expect(try isNew || bench.isIntact(checkpoint, content: 2), "operation \(number)")
      outcomes.insert(isNew ? 33 : 2)
      #expect(try bench.folder.names(in: "checkpoints").allSatisfy { $0.hasPrefix("step-") }, "operation \(number)")
      try bench.save(4, to: next)
      #expect(try bench.isIntact(next.latestValid()))
    }
    #expect(outcomes == [2, 33])
  }

  @Test("Whichever operation fails, a valid checkpoint is left, and the next save leaves nothing over")
  func failsAnywhere() throws {
    let operations = try operations(keep: 2, before: [1, 2], saving: 3)
    for number in 1...operations {
      let bench = try CheckpointBench()
      let whole = try bench.store(keep: 2)
      for step in [1, 2] { try bench.save(step, to: whole) }
      let failing = try bench.store(keep: 2, in: FaultyFileSystem.failingOnce(at: number))
      try? bench.save(3, to: failing)
      let last = try #require(failing.latestValid(), "operation \(number)")
      #expect(try bench.isIntact(last), "operation \(number)")
      try bench.save(4, to: failing)
      #expect(try bench.isIntact(failing.latestValid()))
      #expect(try bench.listing() == ["\(last.step)", "4"], "operation \(number)")
    }
  }

  @Test(
    "A full disk loses no checkpoint and leaves no temporary file; failures are counted until a save succeeds",
    arguments: files)
  func fullDisk(file: String) throws {
    let good = try bench.store(keep: 1)
    try bench.save(1, to: good)
    let isFull = Mutex(true)
    let full = FaultyFileSystem.full(for: file)
    let store = try bench.store(
      keep: 1, in: FileSystem { if isFull.withLock({ $0 }) { try full.before?($0, $1) } })
    for count in 1...2 {
      let network = smallNetwork(seed: 2)
      try store.save(
        network, velocities: smallVelocities(network, seed: 2), average: smallNetwork(seed: 7), step: 2,
        state: RunState(step: 2))
      store.wait()
      let failure = try #require(store.takeFailure())
      #expect((failure.error as? FileError)?.problem == .failed(.write, errno: ENOSPC))
      #expect(failure.inARow == count)
      let again = store.takeFailure()
      #expect(again == nil, "reported once")
      try store.finish()
    }
    #expect(try bench.listing() == ["1"])
    #expect(try bench.isIntact(store.latestValid()))
    #expect(throws: FileError.self) { try bench.save(3, average: 7, to: store) }
    isFull.withLock { $0 = false }
    try bench.save(4, to: store)
    #expect(try bench.listing() == ["4"])
  }

  @Test("A directory that cannot be created is an error at the start, which names it")
  func noFolder() throws {
    let file = try bench.folder.file("file", [1])
    #expect(throws: FileError(file + "/checkpoints", .createDirectory, errno: ENOTDIR)) {
      try CheckpointStore(folder: file + "/checkpoints", keep: 1)
    }
  }
}
