import Foundation

/// A temporary directory, removed with the object.
final class TestFolder: Sendable {
  let path: String

  init() throws {
    // In memory if possible: the tests sync thousands of files.
    let memory = "/dev/shm"
    let isWritable = FileManager.default.isWritableFile(atPath: memory)
    path = (isWritable ? memory : "/tmp") + "/weights-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func place(_ name: String) -> String { path + "/" + name }

  func names(in name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: place(name)).sorted()
  }

  /// Writes a file of these bytes.
  @discardableResult
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let path = place(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  func bytes(_ name: String) throws -> [UInt8] { try bytesOfFile(place(name)) }
}

func bytesOfFile(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }

func fixture(_ name: String) -> String {
  (#filePath as NSString).deletingLastPathComponent + "/Fixtures/" + name
}
