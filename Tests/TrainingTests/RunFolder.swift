import Cityscapes
import Foundation
import System
import SyntheticStreets
import Tensors
import Testing

/// The folder of the tests' data sets and runs, removed when the tests end.
enum RunFolder {
  /// In shared memory if there is room: a run writes checkpoints of 300 MB.
  private static let root: String = {
    let memory = "/dev/shm"
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: memory)
    let free = (attributes?[.systemFreeSize] as? Int) ?? 0
    let hasRoom = free > 8 << 30 && FileManager.default.isWritableFile(atPath: memory)
    let parent = hasRoom ? memory : NSTemporaryDirectory()
    removeLeftovers(in: parent)
    let root = "\(parent)/\(prefix)\(getpid())"
    atexit { try? FileManager.default.removeItem(atPath: RunFolder.root) }
    return root
  }()

  private static let prefix = "gscnn-training-tests-"

  /// Removes folders of tests that were killed.
  private static func removeLeftovers(in parent: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(prefix) {
      guard let owner = pid_t(name.dropFirst(prefix.count)), kill(owner, 0) != 0, errno == ESRCH else { continue }
      try? FileManager.default.removeItem(atPath: "\(parent)/\(name)")
    }
  }

  /// A new path.
  static func new(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    return "\(root)/\(name)-\(UUID().uuidString.prefix(8))"
  }

  /// Synthetic streets, preprocessed: 72×48 pixels.
  static func streets(train: Int, val: Int, test: Int = 2) throws -> String {
    let path = try new("streets")
    try SyntheticStreets(train: train, val: val, test: test, size: Size(48, 72), seed: 5).write(to: path)
    let directory = CityscapesDirectory(root: path)
    _ = try Preprocessing(Split.allCases.flatMap { try directory.samples(of: $0) }).run()
    return path
  }

  /// Every file below a folder with its modification time and size.
  static func files(below folder: String) throws -> [String: [Double]] {
    var files: [String: [Double]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
      guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
      let changed = try #require(attributes[.modificationDate] as? Date)
      files[name] = [changed.timeIntervalSince1970, Double(try #require(attributes[.size] as? Int))]
    }
    return files
  }
}
