import Foundation
import Glibc
import Jobs
import Synchronization
import System
import Testing
import Weights

@Suite("Old checkpoints that cannot be removed, and full disks")
struct CheckpointObstacleTests {
  private let bench: CheckpointBench

  init() throws { bench = try CheckpointBench() }

  /// Refuses operations on one checkpoint until it is cleared.
  private final class Obstacle: Sendable {
    private let isThere = Mutex(true)
    private let lines = Mutex<[String]>([])
    var warnings: [String] { lines.withLock { $0 } }

    func fileSystem(_ refused: FileSystem.Operation, of name: String) -> FileSystem {
      FileSystem { [self] operation, path in
        guard operation == refused, path.contains(name), isThere.withLock({ $0 }) else { return }
        throw FileError(path, operation, errno: EBUSY)
      }
    }
    func warn(_ line: String) { lines.withLock { $0.append(line) } }
    func clear() { isThere.withLock { $0 = false } }
  }

  @Test(
    "An old checkpoint that cannot be renamed or removed is reported once, stops nothing, and is removed later",
    arguments: [(FileSystem.Operation.rename, "step-00000001"), (.remove, ".tmp-removed-step-00000001")])
  func obstacle(operation: FileSystem.Operation, left: String) throws {
    let obstacle = Obstacle()
    let store = try CheckpointStore(
      folder: bench.path, keep: 1, in: obstacle.fileSystem(operation, of: "/" + left), warn: obstacle.warn)
    // The renaming of the first checkpoint when it is published has another name.
    for step in 1...4 { try bench.save(step, to: store) }
    #expect(try bench.folder.names(in: "checkpoints") == [left, "step-00000004"])
    #expect(obstacle.warnings.count == 1)
    #expect(
      obstacle.warnings.first
        == "\(bench.path)/\(left): cannot be removed (Device or resource busy); it is tried again after each checkpoint"
    )
    obstacle.clear()
    try bench.save(5, to: store)
    #expect(try bench.folder.names(in: "checkpoints") == ["step-00000005"])
  }

  @Test("What NFS keeps of a checkpoint that somebody reads stops neither a start nor a save, and goes with the reader")
  func readOverNFS() throws {
    // A name like those that an NFS client gives to removed files; here it makes the directories not empty.
    let kept = [".tmp-removed-step-00000001", ".tmp-step-00000002", ".tmp-replaced-step-00000003"].map {
      "checkpoints/\($0)/.nfs000000000001"
    }
    for file in kept { try bench.folder.file(file, [1]) }
    let obstacle = Obstacle()
    let store = try CheckpointStore(folder: bench.path, keep: 3, warn: obstacle.warn)
    #expect(obstacle.warnings.count == 3)
    for step in [2, 3] { try bench.save(step, to: store) }
    try bench.save(3, content: 33, to: store)
    #expect(try bench.isIntact(store.latestValid(), content: 33))
    #expect(obstacle.warnings.count == 3)
    for file in kept { try FileManager.default.removeItem(atPath: bench.folder.place(file)) }
    try bench.save(4, to: store)
    #expect(try bench.listing() == ["2", "3", "4"])
  }

  @Test(
    "On a full disk older checkpoints make room for the new one; the last one and the best stay",
    .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
  func madeRoom() throws {
    // A checkpoint has four files of a page each: there is room for five.
    let disk = try TinyDisk(kilobytes: 80)
    let store = try CheckpointStore(folder: disk.path + "/checkpoints", keep: 20)
    func save(_ step: Int, best: Bool = false) throws { try bench.save(step, to: store, best: best) }
    try save(1, best: true)
    for step in 2...12 { try save(step) }
    let steps = FileSystem.names(in: store.path)
    #expect(steps.first == "step-00000001", "the best")
    #expect((3...5).contains(steps.count), "\(steps)")
    #expect(try bench.isIntact(store.latestValid()))
    #expect(store.latestValid()?.step == 12)
  }

  @Test(
    "A disk with room for one checkpoint keeps it when the next does not fit",
    .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
  func noRoom() throws {
    let disk = try TinyDisk(kilobytes: 24)
    let store = try CheckpointStore(folder: disk.path + "/checkpoints", keep: 1)
    try bench.save(1, to: store)
    for step in 2...3 {
      let error = #expect(throws: FileError.self) { try bench.save(step, to: store) }
      #expect(error?.isOutOfSpace == true)
      #expect(FileSystem.names(in: store.path) == ["step-00000001"])
      #expect(try bench.isIntact(store.latestValid()))
    }
  }

  @Test(
    "After its file system is gone, nothing is written where it was mounted, and the next save after its return succeeds",
    .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
  func unmounted() throws {
    let disk = try TinyDisk(kilobytes: 200)
    let store = try CheckpointStore(folder: disk.path + "/checkpoints", keep: 1)
    try bench.save(1, to: store)
    let elsewhere = disk.path + "-elsewhere"
    try disk.move(to: elsewhere)
    let error = #expect(throws: FileError.self) { try bench.save(2, to: store) }
    #expect(error?.problem == .failed(.open, errno: ENODEV))
    #expect(FileSystem.names(in: disk.path).isEmpty)
    try disk.move(to: nil)
    try bench.save(3, to: store)
    #expect(FileSystem.names(in: store.path) == ["step-00000003"])
  }

  @Test("A directory that was moved or removed is created again, and a line says so")
  func removedDirectory() throws {
    let obstacle = Obstacle()
    let store = try CheckpointStore(folder: bench.path, keep: 3, warn: obstacle.warn)
    try bench.save(1, to: store)
    try FileManager.default.removeItem(atPath: bench.path)
    try bench.save(2, to: store)
    #expect(try bench.listing() == ["2"])
    #expect(try bench.isIntact(store.latestValid()))
    #expect(
      obstacle.warnings == [
        "\(bench.path): was moved or removed during the run; it is made anew, without the earlier checkpoints"
      ])
  }

  @Test("The room for checkpoints counts those that are there; it is none if not one more fits and none can go")
  func room() throws {
    let store = try bench.store(keep: 3)
    let network = smallNetwork(seed: 1)
    let empty = try #require(store.room(for: network))
    #expect(empty.needed == 5)
    #expect(empty.each == 4 * (2 * network.values.count + network.running.count))
    #expect(empty.fitting == empty.free / empty.each)
    #expect(!empty.isNone)
    try bench.save(1, to: store)
    let one = try #require(store.room(for: network))
    #expect(one.fitting == 1 + one.free / one.each)
  }
}
