import Glibc
import System

/// A zip archive of predictions; it appears under its name when it is complete.
final class PredictionArchive: @unchecked Sendable {
  // Unchecked: only rank 0's main thread writes.

  private let path: String
  private var writer: ZipWriter?

  init(_ path: String) { self.path = path }

  func create() throws {
    try reporting {
      if FileSystem.isDirectory(path, followingLinks: true) { throw FileError(path, .create, errno: EISDIR) }
      try FileSystem().createDirectory(FileSystem.parent(of: path))
      writer = try ZipWriter(path)
    }
  }

  func add(_ name: String, _ bytes: [UInt8]) throws { try reporting { try writer?.add(name, bytes) } }

  func finish() throws {
    try reporting { try writer?.finish() }
    writer = nil
  }

  private func reporting(_ body: () throws -> Void) throws {
    do { try body() } catch {
      throw InferenceError.cannotWriteArchive(path, reason: error.posixMessage)
    }
  }
}
