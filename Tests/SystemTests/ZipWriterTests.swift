import Foundation
import Jobs
import System
import Testing

@Suite("Zip archives")
struct ZipWriterTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "/gscnn-zip-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private let files: [(String, [UInt8])] = [
    ("berlin_000000_000019_prediction.png", Array("prediction".utf8)), ("köln.png", []),
    ("large", (0..<70_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) }),
  ]

  private func write(_ name: String) throws -> String {
    let path = "\(folder)/\(name)"
    let writer = try ZipWriter(path)
    for (name, bytes) in files { try writer.add(name, bytes) }
    #expect(!FileManager.default.fileExists(atPath: path), "an archive under its name is complete")
    try writer.finish()
    return path
  }

  private static let hasPython = (try? Job.run(command: ["python3", "--version"]).status) == 0

  @Test(
    "Python's zipfile finds every file, with names, contents and checksums",
    .enabled(if: hasPython, "this machine has no python3"))
  func python() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = try write("a.zip")
    let program = """
      import sys, zipfile
      archive = zipfile.ZipFile(sys.argv[1])
      assert archive.testzip() is None
      for entry in archive.infolist():
          print(entry.filename, entry.file_size, entry.compress_type, sum(archive.read(entry)))
      """
    let job = try Job.run(command: ["python3", "-c", program, path])
    try #require(job.status == 0, "\(job.errors)")
    #expect(job.output == files.map { "\($0) \($1.count) 0 \($1.reduce(0) { $0 + Int($1) })" })
  }

  @Test("The same files give the same bytes; an archive that is given up leaves nothing")
  func same() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (first, second) = (try write("first.zip"), try write("second.zip"))
    #expect(FileManager.default.contentsEqual(atPath: first, andPath: second))
    var abandoned: ZipWriter? = try ZipWriter("\(folder)/third.zip")
    try abandoned?.add("file", [1, 2, 3])
    abandoned = nil
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["first.zip", "second.zip"])
  }

  @Test("What cannot be created or written is named")
  func failures() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(throws: FileError("\(folder)/none/a.zip", .create, errno: ENOENT)) { try ZipWriter("\(folder)/none/a.zip") }
    let path = "\(folder)/a.zip"
    let full = FileSystem { operation, path in
      if operation == .write { throw FileError(path, .write, errno: ENOSPC) }
    }
    let writer = try ZipWriter(path, in: full)
    #expect(throws: FileError(path, .write, errno: ENOSPC)) {
      try writer.add("file", [UInt8](repeating: 0, count: 10))
      try writer.finish()
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
