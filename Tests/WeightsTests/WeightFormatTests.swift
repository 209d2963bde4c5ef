import Foundation
import Layers
import Tensors
import Testing
import Weights

/// `make_weight_files.py` writes the files.
@Suite("Files of PyTorch and Paddle")
struct WeightFormatTests {
  let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private func format(_ name: String) -> String { fixture("formats/" + name) }

  private func loaded(_ path: String, strict: Bool = true) throws -> (MatchReport, [String: [UInt64]]) {
    let store = smallNetwork(seed: 4)
    let report = try ModelFile.load(path, into: store, strict: strict)
    return (report, contents(store))
  }

  @Test(
    "A file has the same numbers in every format, layout, precision and wrapper",
    arguments: [
      "zip", "legacy", "deflated", "no-checksums", "channels-last", "views", "legacy-views", "half", "bfloat16",
      "double", "parameters", "gscnn-layout", "mmengine-layout", "timm-layout", "teacher-layout",
    ].map { $0 + ".pth" }
      + ["2", "3", "4", "2.0", "nested", "pairs", "big-endian"].map { "paddle-\($0).pdparams" })
  func sameNumbers(name: String) throws {
    let expected = try loaded(format("plain.safetensors"))
    let (report, contents) = try loaded(format(name))
    #expect(contents == expected.1)
    #expect(report.matched.count == 8)
    #expect(report.missing == [] && report.unexpected == [] && report.incompatible == [])
  }

  @Test("Of several dictionaries in a file the moving average is taken, and what is beside it is told")
  func wrappers() throws {
    #expect(try StateDict(contentsOf: format("timm-layout.pth")).wrappers == ["state_dict_ema"])
    #expect(try StateDict(contentsOf: format("teacher-layout.pth")).wrappers == ["teacher"])
    let gscnn = try StateDict(contentsOf: format("gscnn-layout.pth"))
    #expect(gscnn.wrappers == ["state_dict"])
    #expect(gscnn.metadata == ["epoch": "7", "mean_iu": "0.75", "command": "train.py"])
    #expect(try StateDict(contentsOf: format("zip.pth")).format == .zip)
    #expect(try StateDict(contentsOf: format("legacy.pth")).format == .legacy)
    #expect(try StateDict(contentsOf: format("paddle-4.pdparams")).format == .paddle)
  }

  @Test("A file without num_batches_tracked is whole")
  func noCounter() throws {
    var expected = try loaded(format("plain.safetensors")).1
    let (report, contents) = try loaded(format("no-counter.pth"))
    #expect(report.matched.count == 7)
    #expect(report.missing == [])
    let counter = ModelFile.backbonePrefix + "bn1.num_batches_tracked"
    expected[counter] = [UInt64(4) << 33]
    #expect(contents == expected, "the counter stays")
  }

  @Test("The format is told by the contents, whatever the name")
  func renamed() throws {
    let copy = try folder.file("weights.safetensors", bytesOfFile(format("zip.pth")))
    #expect(try loaded(copy).1 == loaded(format("plain.safetensors")).1)
  }

  @Test("A safetensors file whose length looks like the beginning of another format is read")
  func lookalikes() throws {
    // The lengths of the headers: PROTO 2 of a pickle, gzip's first bytes, MARK.
    for length in [0x0280, 0x0480, 0x8B1F, 0x0028] {
      let header = "{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"
      let text = header.utf8.count <= length ? header : "{}"
      let bytes = Array(text.utf8) + [UInt8](repeating: 0x20, count: length - text.utf8.count)
      let file = try folder.file("x", [UInt8(length & 0xFF), UInt8(length >> 8), 0, 0, 0, 0, 0, 0] + bytes)
      #expect(try StateDict(contentsOf: file).format == .safetensors)
    }
  }

  @Test("Other kinds of files are refused with what to do")
  func otherKinds() throws {
    let kinds: [(String, [UInt8], String)] = [
      ("a.pdparams.tar.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "is compressed by gzip; unpack it"),
      ("a.h5", [0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A, 0], "is an HDF5 file; convert it"),
      (
        "a.pth", Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8),
        "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"
      ),
      ("a.tar", [UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8), "is a tar archive; unpack it"),
    ]
    for (name, bytes, message) in kinds {
      let file = try folder.file(name, bytes)
      let error = #expect(throws: WeightsError.self) { try StateDict(contentsOf: file) }
      #expect(error?.description.hasPrefix("\(file): \(message)") == true, "\(error?.description ?? "")")
    }
  }

  @Test(
    "Converted to safetensors, a file has the same numbers in the same types, and PyTorch's names",
    arguments: [
      "zip.pth", "legacy-views.pth", "channels-last.pth", "half.pth", "gscnn-layout.pth", "paddle-2.pdparams",
    ])
  func conversion(name: String) throws {
    let output = folder.place("out.safetensors")
    let result = try ModelFile.convert(
      StateDict(contentsOf: format(name)), to: output, normalization: name == "half.pth" ? .half : nil)
    #expect(result.count == 8)
    #expect(try loaded(output).1 == loaded(format("plain.safetensors")).1)
    let file = try Safetensors(contentsOf: output)
    let type = name == "half.pth" ? ElementType.float16 : .float32
    #expect(file[ModelFile.backbonePrefix + "conv1.weight"]?.type == type)
    #expect(file[ModelFile.backbonePrefix + "conv1.weight"]?.shape == [3, 2, 3, 3])
    #expect(file["seg.bias"] != nil)
    #expect(file.metadata == (name == "half.pth" ? ["format": "pt", "normalization": "half"] : ["format": "pt"]))
    #expect(try StateDict(contentsOf: output).normalization == (name == "half.pth" ? .half : nil))
  }

  @Test("A normalization that this version does not know is refused")
  func unknownNormalization() throws {
    let path = folder.place("x.safetensors")
    try ModelFile.write(smallNetwork(seed: 1), to: path, metadata: ["normalization": "caffe"])
    let file = try StateDict(contentsOf: path)
    #expect(throws: WeightsError.self) { try file.normalization }
  }
}
