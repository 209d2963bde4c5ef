import Foundation
import System
import Testing
import Weights

@Suite("Replacing a model file")
struct AtomicWriteTests {
  private let folder: TestFolder
  private let path: String
  private let old: [UInt8]

  init() throws {
    folder = try TestFolder()
    path = folder.place("model.safetensors")
    try ModelFile.write(smallNetwork(seed: 1), to: path)
    old = try folder.bytes("model.safetensors")
  }

  @Test("A full disk leaves the old file and no temporary one, and the error names the file")
  func fullDisk() throws {
    #expect(throws: FileError(path, .write, errno: ENOSPC)) {
      try ModelFile.write(smallNetwork(seed: 2), to: path, in: FaultyFileSystem.full(for: ".tmp"))
    }
    #expect(try folder.names() == ["model.safetensors"])
    #expect(try folder.bytes("model.safetensors") == old)
  }

  @Test("Whichever operation fails, the file is the old one or the new one, and no temporary file is left")
  func failures() throws {
    let counter = FaultyFileSystem.Counter()
    let other = folder.place("other")
    try ModelFile.write(smallNetwork(seed: 2), to: other, in: FaultyFileSystem.counting(counter))
    let new = try folder.bytes("other")
    try FileManager.default.removeItem(atPath: other)
    #expect(counter.count == 5, "create, write, sync, rename, sync of the folder")
    for number in 1...counter.count {
      try folder.file("model.safetensors", old)
      #expect(throws: FaultyFileSystem.Fault.self) {
        try ModelFile.write(smallNetwork(seed: 2), to: path, in: FaultyFileSystem.failingOnce(at: number))
      }
      #expect(try folder.names() == ["model.safetensors"])
      #expect(try folder.bytes("model.safetensors") == (number == counter.count ? new : old), "operation \(number)")
    }
  }

  @Test("The next write overwrites the temporary file of a killed process")
  func leftovers() throws {
    #expect(throws: FaultyFileSystem.Fault.self) {
      try ModelFile.write(smallNetwork(seed: 2), to: path, in: FaultyFileSystem.dying(before: 4))
    }
    #expect(try folder.names() == [".model.safetensors.tmp", "model.safetensors"])
    #expect(try folder.bytes("model.safetensors") == old)
    try ModelFile.write(smallNetwork(seed: 3), to: path)
    #expect(try folder.names() == ["model.safetensors"])
    #expect(try folder.bytes("model.safetensors") != old)
  }

  @Test("A directory that does not exist or cannot be written is an error that names the file")
  func noFolder() throws {
    let nowhere = folder.place("gone/model.safetensors")
    #expect(throws: FileError(nowhere, .create, errno: ENOENT)) {
      try ModelFile.write(smallNetwork(seed: 2), to: nowhere)
    }
    let inFile = path + "/model.safetensors"
    #expect(throws: FileError(inFile, .create, errno: ENOTDIR)) {
      try ModelFile.write(smallNetwork(seed: 2), to: inFile)
    }
    // Even root cannot write here.
    #expect(throws: FileError.self) { try ModelFile.write(smallNetwork(seed: 2), to: "/proc/model.safetensors") }
  }
}
