import Foundation
import System
import Testing
import Weights

@Suite("Symbolic links and names in a directory of checkpoints")
struct CheckpointLinkTests {
  private let bench: CheckpointBench

  init() throws { bench = try CheckpointBench() }

  /// A directory outside the checkpoints, with a whole checkpoint and a file of the user's.
  private func outside() throws -> (path: String, contents: [String: [UInt8]]) {
    let other = try CheckpointBench()
    try other.save(2, to: other.store())
    let path = bench.folder.place("outside")
    try FileManager.default.moveItem(atPath: other.path + "/step-00000002", toPath: path)
    return (path, try contents(path))
  }

  private func contents(_ path: String) throws -> [String: [UInt8]] {
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try bytesOfFile(path + "/" + $0)) })
  }

  @Test(
    "A link in place of a checkpoint's directory is never written through, nor is what it points to removed",
    arguments: ["step-00000002", ".tmp-step-00000002", ".tmp-removed-step-00000002", ".tmp-replaced-step-00000002"])
  func directory(name: String) throws {
    let (path, before) = try outside()
    try FileManager.default.createDirectory(atPath: bench.path, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: bench.path + "/" + name, withDestinationPath: path)
    let store = try bench.store(keep: 1)
    for step in 1...4 { try bench.save(step, to: store) }
    #expect(try contents(path) == before)
    #expect(Checkpoint.latestValid(in: bench.path)?.step == 4)
    #expect(FileSystem.isDirectory(bench.path + "/step-00000004"))
  }

  @Test("A link in place of a checkpoint's file is replaced and removed, and what it points to stays")
  func file() throws {
    let store = try bench.store(keep: 1)
    try bench.save(1, to: store)
    let name = "/step-00000001/state.json"
    let moved = bench.folder.place("moved.json")
    try FileManager.default.moveItem(atPath: bench.path + name, toPath: moved)
    try FileManager.default.createSymbolicLink(atPath: bench.path + name, withDestinationPath: moved)
    let before = try bytesOfFile(moved)
    #expect(store.latestValid()?.step == 1, "reading follows links")
    try bench.save(1, to: store)
    try bench.save(2, to: store)
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.path) == ["step-00000002"])
    #expect(try bytesOfFile(moved) == before)
  }

  @Test(
    "A manifest names the files of its own directory only", arguments: ["../outside/model.safetensors", "/etc/hosts"])
  func manifest(name: String) throws {
    _ = try outside()
    let store = try bench.store()
    try bench.save(1, to: store)
    let place = "checkpoints/step-00000001/checksums"
    let text = String(decoding: try bench.folder.bytes(place), as: UTF8.self)
    // With a valid checksum of its own.
    let lines = text.replacingOccurrences(of: "model.safetensors", with: name).split(separator: "\n").dropLast()
    let changed = lines.joined(separator: "\n") + "\n"
    let hash = Array(changed.utf8).withUnsafeBytes(XXH64.hash)
    try bench.folder.file(place, Array((changed + "\(hash.zeroPadded(to: 16, radix: 16)) checksums\n").utf8))
    #expect(throws: WeightsError.self) { try Checkpoint(folder: bench.path + "/step-00000001") }
    #expect(Checkpoint.latestValid(in: bench.path) == nil)
  }
}
