import Foundation
import System
import Testing
import Weights

/// A safetensors file of this header and data.
func safetensors(_ header: String, data: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
    + (0..<data).map { UInt8($0 & 255) }
}

@Suite("Safetensors files")
struct SafetensorsTests {
  @Test("A file that PyTorch wrote is read: names, types, shapes, numbers and metadata")
  func readsPyTorch() throws {
    let file = try Safetensors(contentsOf: fixture("pytorch.safetensors"))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.entries.count == 12)
    #expect(file["0.weight"]?.shape == [3, 2, 3, 3])
    #expect(try file.floats("0.weight") == (0..<54).map { Float($0) / 8 })
    #expect(try file.floats("1.running_var") == (0..<3).map { Float($0) / 8 + 5 })
    for name in ["double", "half", "bfloat"] {
      let largest: Float = name == "bfloat" ? 65536 : 65504
      #expect(try file.floats(name) == [0.5, -1, 2, largest, 0, -0.25], "\(name)")
    }
    #expect(try file.floats("empty") == [])
    let tracked = try #require(file["1.num_batches_tracked"])
    #expect(tracked.shape == [] && tracked.type == .int64)
    #expect(file.withBytes(of: tracked) { $0.loadUnaligned(as: Int64.self) } == 7)
    let bytes = try #require(file["bytes"])
    #expect(file.withBytes(of: bytes, Array.init) == [1, 2, 255])
    #expect(throws: WeightsError(file.path, .notNumbers("bytes", type: "U8"))) { try file.floats("bytes") }
    #expect(throws: WeightsError(file.path, .noSuchTensor("gone"))) { try file.floats("gone") }
  }

  @Test("Written files are byte for byte those of PyTorch")
  func writesAsPyTorch() throws {
    let folder = try TestFolder()
    let file = try Safetensors(contentsOf: fixture("pytorch.safetensors"))
    let tensors = file.entries.reversed().map { entry in
      SafetensorsWriter.TensorRecord(entry.name, entry.type, entry.shape) { target in
        file.withBytes(of: entry) { target.copyMemory(from: $0) }
      }
    }
    try SafetensorsWriter.write(tensors, metadata: file.metadata, to: folder.place("again.safetensors"))
    #expect(try folder.bytes("again.safetensors") == bytesOfFile(file.path))
  }

  @Test("Names and metadata may have any characters")
  func escapes() throws {
    let folder = try TestFolder()
    let odd = "a\"b\\c\n\r\t\u{8}\u{C}\u{1}\u{7F}é漢😀/"
    let path = folder.place("odd.safetensors")
    try SafetensorsWriter.write(
      [SafetensorsWriter.TensorRecord(odd, .uint8, [1]) { $0[0] = 3 }], metadata: [odd: odd], to: path)
    let file = try Safetensors(contentsOf: path)
    #expect(file.metadata == [odd: odd])
    #expect(file.entries.map(\.name) == [odd])
    let escaped = try folder.file(
      "escaped.safetensors",
      safetensors(#"{"\u00e9\ud83d\uDE00\/\b\f":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#))
    #expect(try Safetensors(contentsOf: escaped).entries.map(\.name) == ["é😀/\u{8}\u{C}"])
  }

  @Test("A header whose length is no multiple of 8, which leaves the data unaligned, is read")
  func unaligned() throws {
    let folder = try TestFolder()
    for padding in 0..<8 {
      let header =
        #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"# + String(repeating: " ", count: padding)
      let path = try folder.file("\(padding)", safetensors(header, data: 8))
      #expect(try Safetensors(contentsOf: path).floats("x").map(\.bitPattern) == [0x0302_0100, 0x0706_0504])
    }
  }

  /// A problem, and a file that has it.
  static let violations: [(WeightsError.Problem, [UInt8])] = [
    (.tooShort(bytes: 0), []),
    (.tooShort(bytes: 7), [1, 2, 3, 4, 5, 6, 7]),
    (.notSafetensors, [UInt8](repeating: 0, count: 8)),
    (.headerTooLong(.max), [UInt8](repeating: 255, count: 20)),
    (.headerTooLong(100_000_001), withUnsafeBytes(of: UInt64(100_000_001), Array.init)),
    (.headerPastEnd(header: 3, file: 10), [3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D]),
    (.notSafetensors, safetensors("[]")),
    (.notSafetensors, safetensors(" {}")),
    (.malformed("text after the end of the header", at: 10), safetensors("{}\n")),
    (.malformed("expected \"", at: 9), safetensors("{")),
    (.malformed("expected :", at: 12), safetensors(#"{"a"}"#)),
    (.malformed("an unknown field of a", at: 23), safetensors(#"{"a":{"stride":[1]}}"#)),
    (.malformed("a without its type, shape or two offsets", at: 15), safetensors(#"{"a":{}}"#)),
    (.malformed("expected a number", at: 23), safetensors(#"{"a":{"shape":[-1]}}"#)),
    (.malformed("expected ]", at: 24), safetensors(#"{"a":{"shape":[1.0]}}"#)),
    (.malformed("expected ]", at: 24), safetensors(#"{"a":{"shape":[1e9]}}"#)),
    (.malformed("a number with leading zeros", at: 25), safetensors(#"{"a":{"shape":[01]}}"#)),
    (.malformed("a number too large", at: 41), safetensors(#"{"a":{"shape":[9223372036854775808]}}"#)),
    (.malformed("a control character in a string", at: 11), safetensors("{\"\n\":1}")),
    (.malformed("an unknown escape sequence", at: 12), safetensors(#"{"\x":1}"#)),
    (.malformed("an unpaired surrogate", at: 16), safetensors(#"{"\ud800":1}"#)),
    (.malformed("an unpaired surrogate", at: 16), safetensors(#"{"\udc00":1}"#)),
    (.malformed("expected \"", at: 29), safetensors(#"{"__metadata__":{"a":1}}"#)),
    (.duplicateName("__metadata__.a"), safetensors(#"{"__metadata__":{"a":"","a":""}}"#)),
    (.duplicateName("__metadata__"), safetensors(#"{"__metadata__":{},"__metadata__":{}}"#)),
    (
      .duplicateName("a"),
      safetensors(
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)
    ),
    (.duplicateName("a.shape"), safetensors(#"{"a":{"shape":[0],"shape":[0]}}"#)),
    (
      .unknownType("F31", of: "a"),
      safetensors(#"{"a":{"dtype":"F31","shape":[0],"data_offsets":[0,0]}}"#)
    ),
    (
      .shapeTooLarge("a"),
      safetensors(#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#)
    ),
    (
      .shapeTooLarge("a"),
      safetensors(#"{"a":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}"#)
    ),
    (
      .wrongLength("a", bytes: 4, needed: 8),
      safetensors(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, data: 4)
    ),
    (
      .gap(before: "a"), safetensors(#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, data: 3)
    ),
    (
      .overlap("b"),
      safetensors(
        #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
        data: 3)
    ),
    (
      .wrongFileLength(bytes: 64, needed: 65),
      safetensors(#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: 4).dropLast().map { $0 }
    ),
    (
      .wrongFileLength(bytes: 66, needed: 65),
      safetensors(#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: 5)
    ),
  ]

  @Test("Every violation of the format is an error with the file, the problem and a remedy")
  func refuses() throws {
    let folder = try TestFolder()
    for (problem, bytes) in Self.violations {
      let path = try folder.file("bad.safetensors", bytes)
      #expect(throws: WeightsError(path, problem)) { try Safetensors(contentsOf: path) }
      let error = WeightsError(path, problem)
      #expect(error.description.hasPrefix(path + ": ") && error.description.hasSuffix("; " + problem.remedy))
    }
  }

  @Test("Sizes near the largest integer are refused without overflow")
  func hugeSizes() throws {
    let folder = try TestFolder()
    let path = try folder.file(
      "huge", safetensors(#"{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}"#)
    )
    let size = try folder.bytes("huge").count
    #expect(throws: WeightsError(path, .wrongFileLength(bytes: size, needed: .max))) {
      try Safetensors(contentsOf: path)
    }
  }

  @Test("A string that is not UTF-8 is refused")
  func notText() throws {
    let folder = try TestFolder()
    var bytes = safetensors(#"{"a?":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)
    bytes[11] = 0xFF
    let path = try folder.file("bad", bytes)
    #expect(throws: WeightsError(path, .malformed("a string that is not UTF-8", at: 13))) {
      try Safetensors(contentsOf: path)
    }
  }

  @Test("A path that is not a regular file is an error that names it")
  func noFile() throws {
    let folder = try TestFolder()
    #expect(throws: FileError(folder.path, .notRegularFile)) { try Safetensors(contentsOf: folder.path) }
    let gone = folder.place("gone")
    #expect(throws: FileError(gone, .open, errno: ENOENT)) { try Safetensors(contentsOf: gone) }
  }

  @Test("A deeply nested header is refused without a crash", arguments: ["[", "{", "{\"a\":", "\""])
  func nesting(_ opening: String) throws {
    let folder = try TestFolder()
    for prefix in ["{\"a\":", "{\"a\":{\"shape\":", "{\"__metadata__\":{\"a\":"] {
      let path = try folder.file("deep", safetensors(prefix + String(repeating: opening, count: 200_000)))
      #expect(throws: WeightsError.self) { try Safetensors(contentsOf: path) }
    }
  }

  @Test("A file truncated at any byte is refused")
  func truncation() throws {
    let folder = try TestFolder()
    let whole = try bytesOfFile(fixture("pytorch.safetensors"))
    for length in 0..<whole.count {
      let path = try folder.file("cut", Array(whole[..<length]))
      #expect(throws: WeightsError.self, "\(length)") { try Safetensors(contentsOf: path) }
    }
  }

  @Test("With any byte of the header changed, the file is refused or its tensors still cover it exactly")
  func corruption() throws {
    let folder = try TestFolder()
    let whole = try bytesOfFile(fixture("pytorch.safetensors"))
    let start = 8 + Int(whole[0]) + Int(whole[1]) << 8
    for position in 0..<start {
      for flip: UInt8 in [0x01, 0x02, 0x10, 0x20, 0x80, 0xFF] {
        var bytes = whole
        bytes[position] ^= flip
        let path = try folder.file("flipped", bytes)
        guard let file = try? Safetensors(contentsOf: path) else { continue }
        // A name or a type may differ, but every byte must still belong to one tensor.
        #expect(file.entries.count == 12)
        #expect(file.entries.reduce(start) { $1.range.lowerBound == $0 ? $1.range.upperBound : -1 } == whole.count)
        for entry in file.entries { #expect(entry.shape.reduce(entry.type.size, *) == entry.range.count) }
      }
    }
  }
}
