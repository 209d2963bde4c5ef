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

  @Test("A full disk leaves the old file and nothing beside it, and is named")
  func fullDisk() throws {
    #expect(throws: WeightsError(path, .refused("write it", errno: ENOSPC))) {
      try ModelFile.write(smallNetwork(seed: 2), to: path, on: FaultyFileSystem.full(for: ".tmp"))
    }
    #expect(try folder.names() == ["model.safetensors"])
    #expect(try folder.bytes("model.safetensors") == old)
  }

  @Test("Whichever operation fails, the file is the old one or the new one, and nothing is left beside it")
  func failures() throws {
    let counter = FaultyFileSystem.Counter()
    let other = folder.place("other")
    try ModelFile.write(smallNetwork(seed: 2), to: other, on: FaultyFileSystem.counting(counter))
    let new = try folder.bytes("other")
    try FileManager.default.removeItem(atPath: other)
    #expect(counter.count == 5, "create, write, sync, rename, sync of the folder")
    for number in 1...counter.count {
      try folder.file("model.safetensors", old)
      #expect(throws: FaultyFileSystem.Fault.self) {
        try ModelFile.write(smallNetwork(seed: 2), to: path, on: FaultyFileSystem.failingOnce(at: number))
      }
      #expect(try folder.names() == ["model.safetensors"])
      #expect(try folder.bytes("model.safetensors") == (number == counter.count ? new : old), "operation \(number)")
    }
  }

  @Test("What a killed program left is overwritten by the next")
  func leftovers() throws {
    #expect(throws: FaultyFileSystem.Fault.self) {
      try ModelFile.write(smallNetwork(seed: 2), to: path, on: FaultyFileSystem.dying(before: 4))
    }
    #expect(try folder.names() == [".model.safetensors.tmp", "model.safetensors"])
    #expect(try folder.bytes("model.safetensors") == old)
    try ModelFile.write(smallNetwork(seed: 3), to: path)
    #expect(try folder.names() == ["model.safetensors"])
    #expect(try folder.bytes("model.safetensors") != old)
  }

  @Test("A folder that is not there or cannot be written is named")
  func noFolder() throws {
    let nowhere = folder.place("gone/model.safetensors")
    #expect(throws: WeightsError(nowhere, .refused("make it", errno: ENOENT))) {
      try ModelFile.write(smallNetwork(seed: 2), to: nowhere)
    }
    let inFile = path + "/model.safetensors"
    #expect(throws: WeightsError(inFile, .refused("make it", errno: ENOTDIR))) {
      try ModelFile.write(smallNetwork(seed: 2), to: inFile)
    }
    // The superuser may write anywhere but here.
    #expect(throws: WeightsError.self) { try ModelFile.write(smallNetwork(seed: 2), to: "/proc/model.safetensors") }
  }
}
