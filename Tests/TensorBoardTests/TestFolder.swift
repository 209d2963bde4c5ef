import Foundation

/// A temporary directory, removed with the object.
final class TestFolder: Sendable {
  let path = NSTemporaryDirectory() + "/tensorboard-tests-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func place(_ name: String) -> String { path + "/" + name }
}
