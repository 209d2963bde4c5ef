import Foundation
import Jobs
import System
import Testing
import Weights

@Suite("A killed writer of checkpoints")
struct KilledWriterTests {
  /// Runs `RankProgram checkpoints`, which writes checkpoints until it is killed, and returns its lines.
  private func write(to folder: String, kill: String, number: Int) throws -> [String] {
    try Job.run("RankProgram", ["checkpoints", folder, kill, "\(number)"]).output
  }

  /// The content of a checkpoint, which is the seed of its network; nil if any of it differs.
  private func content(of checkpoint: Checkpoint) throws -> Int? {
    let content = try checkpoint.state(as: Int.self)
    let (network, expected) = (smallNetwork(seed: 999), smallNetwork(seed: UInt64(content)))
    let velocities = smallVelocities(network, seed: 999)
    try checkpoint.restore(network, velocities: velocities)
    let isIntact =
      contents(network) == contents(expected)
      && velocities.values == smallVelocities(expected, seed: UInt64(content)).values
    return isIntact ? content : nil
  }

  /// The contents in the order of writing, and the steps of their checkpoints that are kept after each.
  private static let order = [1, 2, 3, 4, 5, 50, 6]
  private static let kept = [[], [1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5], [2, 4, 5], [2, 5, 6]]

  @Test(
    "Killed before, in or after any operation of saving, replacing and removing, it leaves the last checkpoint or the one before, and nothing else",
    arguments: ["before", "middle"])
  func killed(kill: String) throws {
    let folder = try TestFolder()
    let undisturbed = try write(to: folder.place("undisturbed"), kill: kill, number: 0)
    #expect(undisturbed.dropLast() == Self.order.map { "saved \($0)" }[...])
    let operations = try #require(undisturbed.last?.split(separator: " ").last.flatMap { Int($0) })
    #expect(operations > (kill == "before" ? 100 : 25))

    for number in 1...operations {
      let path = folder.place("\(number)")
      let saved = try write(to: path, kill: kill, number: number).count
      try #require(saved < Self.order.count, "not killed at operation \(number)")
      let store = try CheckpointStore(folder: path, keep: 2)
      var skipped: [any Error] = []
      let newest = store.latestValid { skipped.append($0) }
      #expect(skipped.isEmpty, "operation \(number)")
      // The last one that was reported as saved, or the next.
      // 0: no checkpoint yet.
      let last = try newest.map { try #require(try content(of: $0), "operation \(number)") } ?? 0
      let expected = ([0] + Self.order)[saved...saved + 1]
      #expect(expected.contains(last), "operation \(number): \(last) after \(saved) checkpoints")
      // Removal may be unfinished, but nothing that is to be kept is lost, and no temporary file is left.
      let names = FileSystem.names(in: path)
      let wanted = Self.kept[([0] + Self.order).firstIndex(of: last) ?? 0]
      #expect(Set(names).isSuperset(of: wanted.map { "step-0000000\($0)" }), "operation \(number): \(names)")
      for name in names {
        let checkpoint = try Checkpoint(folder: path + "/" + name)
        #expect(try content(of: checkpoint) != nil, "operation \(number): \(name)")
      }
      try FileManager.default.removeItem(atPath: path)
    }
  }
}
