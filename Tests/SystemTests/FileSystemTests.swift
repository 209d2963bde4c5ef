import Foundation
import Glibc
import Synchronization
import System
import Testing

@Suite("Files and directories")
final class FileSystemTests {
  private struct Fault: Error {}
  private let directory: String
  private var path: String { directory + "/file" }

  init() throws {
    directory = FileManager.default.temporaryDirectory.appending(path: "gscnn-files-\(UUID().uuidString)").path
    try FileSystem().createDirectory(directory + "/nested/deeply")
    try FileSystem().replaceFile(path, with: [1, 2, 3])
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func contents(of name: String = "file") throws -> [UInt8] {
    let file = try MappedFile(directory + "/" + name)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }

  @Test("Whichever operation fails, the file is the old one or the new one, and no temporary file is left")
  func failures() throws {
    let operations = Mutex<[FileSystem.Operation]>([])
    let recording = FileSystem { operation, _ in operations.withLock { $0.append(operation) } }
    try recording.replaceFile(path, with: [4])
    let all = operations.withLock { $0 }
    #expect(all == [.create, .write, .sync, .rename, .syncDirectory])
    for failing in all {
      try FileSystem().replaceFile(path, with: [1])
      let faulty = FileSystem { operation, _ in if operation == failing { throw Fault() } }
      #expect(throws: Fault.self) { try faulty.replaceFile(path, with: [2]) }
      #expect(try contents() == [failing == .syncDirectory ? 2 : 1])
      #expect(FileSystem.names(in: directory) == ["file", "nested"])
    }
  }

  @Test(
    "Paths have the parent and the name that dirname and basename give them",
    arguments: [
      ("a", ".", "a"), ("a/", ".", "a"), ("/", "/", "/"), ("//", "/", "/"), ("/a", "/", "a"), ("a/b", "a", "b"),
      ("a//b//", "a", "b"), ("./a", ".", "a"), ("../a/b.c", "../a", "b.c"), ("", ".", ""), (".", ".", "."),
      ("é/ü", "é", "ü"),
    ])
  func components(path: String, parent: String, name: String) {
    #expect(FileSystem.parent(of: path) == parent)
    #expect(FileSystem.name(of: path) == name)
  }

  @Test("Missing parents of a directory are created; a file in the way is an error")
  func directories() throws {
    let fileSystem = FileSystem()
    try fileSystem.createDirectory(directory + "/a/b/c")
    #expect(FileSystem.isDirectory(directory + "/a/b/c"))
    try fileSystem.createDirectory(directory + "/a/b/c")
    symlink(directory + "/a", directory + "/link")
    try fileSystem.createDirectory(directory + "/link")
    #expect(!FileSystem.isDirectory(directory + "/link"))
    #expect(FileSystem.isDirectory(directory + "/link", followingLinks: true))
    #expect(throws: FileError(path, .createDirectory, errno: EEXIST)) { try fileSystem.createDirectory(path) }
    #expect(throws: FileError(path + "/d", .createDirectory, errno: ENOTDIR)) {
      try fileSystem.createDirectory(path + "/d")
    }
  }

  @Test("Without sync, no operation waits for the disk")
  func withoutSync() throws {
    let fileSystem = FileSystem { operation, _ in
      if operation == .sync || operation == .syncDirectory { throw Fault() }
    }
    try fileSystem.replaceFile(path, with: [5], sync: false)
    #expect(try contents() == [5])
  }

  @Test("Several writers of one file do not share a temporary file")
  func severalWriters() throws {
    try FileSystem().replaceFile(path, severalWriters: true) { outer in
      try outer.write([1, 1])
      try FileSystem().replaceFile(path, with: [2], severalWriters: true)
      #expect(try contents() == [2])
    }
    #expect(try contents() == [1, 1])
    #expect(FileSystem.names(in: directory) == ["file", "nested"])
  }

  @Test("Errors name the file, the operation, the reason and a remedy")
  func errors() throws {
    let nowhere = directory + "/gone/file"
    #expect(throws: FileError(nowhere, .create, errno: ENOENT)) { try FileSystem().replaceFile(nowhere, with: []) }
    let error = FileError(path, .write, errno: ENOSPC)
    #expect(error.description == "\(path): cannot write: No space left on device; make room on that disk")
    #expect(error.posixMessage == "No space left on device")
    #expect(throws: FileError(directory, .notRegularFile)) { try MappedFile(directory) }
    let pipe = directory + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    #expect(throws: FileError(pipe, .notRegularFile)) { try MappedFile(pipe) }
    #expect(throws: FileError(pipe, .notRegularFile)) { try XXH64.hashOfFile(pipe) }
    let foundation = #expect(throws: (any Error).self) { try Data(contentsOf: URL(fileURLWithPath: nowhere)) }
    #expect(foundation?.posixMessage == "No such file or directory")
  }

  @Test("The checksum and the count are those of all bytes, in small and large pieces")
  func checksum() throws {
    let bytes = (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let file = try OutputFile(directory + "/large", in: FileSystem())
    try file.write(bytes[..<100])
    try file.write(bytes[100...])
    #expect(file.count == bytes.count)
    #expect(try file.close() == bytes.withUnsafeBytes(XXH64.hash))
    #expect(try contents(of: "large") == bytes)
  }
}
