import Foundation
import System
import Testing

@Suite("Paths of any bytes") struct PathBytesTests {
  @Test(
    "A name keeps its bytes, UTF-8 or not",
    arguments: [
      "aachen".utf8.map { $0 }, "köln, 東京, 🚲".utf8.map { $0 }, [0x6B, 0xF6, 0x6C, 0x6E], [0xFF], [0xE6, 0x9D, 0x61],
      // U+F7F6 itself, which stands for a byte elsewhere.
      [0xEF, 0x9F, 0xB6], [0xED, 0xA0, 0x80, 0xC3, 0xB6], [],
    ] as [[UInt8]])
  func roundTrip(bytes: [UInt8]) {
    let name = String(pathBytes: bytes)
    #expect(name.pathBytes.map(UInt8.init(bitPattern:)) == bytes + [0])
    #expect(bytes.withUnsafeBufferPointer { String(path: Array($0).map(CChar.init(bitPattern:)) + [0]) } == name)
  }

  @Test("Different bytes are different names; a message shows them as a shell takes them")
  func distinct() {
    let latin = String(pathBytes: [0x6B, 0xF6, 0x6C, 0x6E])
    #expect(latin != String(pathBytes: [0x6B, 0xF7, 0x6C, 0x6E]))
    #expect(latin != "k\u{FFFD}ln" && latin != "köln")
    #expect("data/\(latin)/x".printable == #"data/k\xf6ln/x"#)
    #expect("köln".printable == "köln")
  }

  @Test("Files below a folder whose name is not UTF-8 are written, listed, read, renamed and removed")
  func files() throws {
    let root = FileManager.default.temporaryDirectory.path + "/gscnn-path-bytes-\(UUID().uuidString)"
    let folder = root + "/" + String(pathBytes: [0x6B, 0xF6])
    let files = FileSystem()
    try files.createDirectory(folder)
    defer { try? FileManager.default.removeItem(atPath: root) }
    try files.replaceFile(folder + "/a", with: "text".utf8)
    #expect(try FileSystem.list(root).map { $0.pathBytes } == [[0x6B, CChar(bitPattern: 0xF6), 0]])
    #expect(FileSystem.isDirectory(folder) && FileSystem.size(of: folder + "/a") == 4)
    let file = try MappedFile(folder + "/a")
    #expect(withExtendedLifetime(file) { file.bytes.elementsEqual("text".utf8) })
    try files.rename(folder + "/a", to: folder + "/b")
    #expect(FileSystem.names(in: folder) == ["b"])
    try files.remove(folder + "/b")
    try files.remove(folder)
    #expect(FileSystem.names(in: root) == [])
  }

  @Test("Listing what is no directory is an error that names it")
  func missing() {
    let path = FileManager.default.temporaryDirectory.path + "/gscnn-none-\(UUID().uuidString)"
    #expect(throws: FileError(path, .open, errno: ENOENT)) { try FileSystem.list(path) }
    #expect(throws: FileError("/dev/null", .open, errno: ENOTDIR)) { try FileSystem.list("/dev/null") }
  }
}
