import Foundation
import System
import Testing
import Training

@Suite("The lock of a run")
struct RunLockTests {
  private let paths: RunPaths

  init() throws {
    var options = TrainingOptions()
    options.savePath = try RunFolder.new("lock")
    paths = RunPaths(options)
    try paths.createFolders()
  }

  private func message(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test("A second job on the machine is refused at once, by the name of the first; later it has the lock")
  func sameMachine() throws {
    var lines: [String] = []
    var first: RunLock? = try RunLock(paths, host: "node1") { lines.append($0) }
    let refusal = try #require(message { _ = try RunLock(paths, host: "node1") { lines.append($0) } })
    #expect(
      refusal.hasPrefix("--save-path \(paths.folder): is in use by gscnn on node1, process \(getpid()), since 20"))
    #expect(refusal.hasSuffix("; wait for it, stop it, or give another --save-path"))
    withExtendedLifetime(first) {}
    first = nil
    #expect(!FileManager.default.fileExists(atPath: paths.lock))
    _ = try RunLock(paths, host: "node1") { lines.append($0) }
    #expect(lines.isEmpty)
  }

  @Test("The lock of another machine is waited for, because a file server keeps those of machines that failed")
  func otherMachine() throws {
    let text = #"{"host":"node2","process":1,"since":0}"#
    var other = try FileLock.acquire(paths.lock, holder: text)
    let refusal = try #require(message { _ = try RunLock(paths, host: "node1", patience: 0) { _ in } })
    #expect(refusal.contains("is in use by gscnn on node2, process 1, since 2001-01-01T00:00:00Z; wait for it"))
    var lines: [String] = []
    _ = try RunLock(paths, host: "node1") { line in
      lines.append(line)
      other = nil
    }
    #expect(other == nil)
    #expect(lines.count == 1 && lines[0].hasSuffix("waiting up to 120 s, in case that it has just ended"), "\(lines)")
  }

  @Test(
    "What a killed job left is no obstacle, whatever its bytes",
    arguments: [[], [0xFF, 0], Array(#"{"host":"a"}"#.utf8)])
  func leftover(bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: paths.lock))
    var lines: [String] = []
    let lock = try RunLock(paths, host: "node1") { lines.append($0) }
    let refusal = message { _ = try RunLock(paths, host: "node1") { _ in } }
    #expect(refusal?.contains("process \(getpid())") == true)
    withExtendedLifetime(lock) {}
    #expect(lines.isEmpty)
  }
}
