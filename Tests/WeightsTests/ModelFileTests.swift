import Foundation
import Layers
import System
import Testing
import Weights

@Suite("Model files")
struct ModelFileTests {
  private let folder: TestFolder
  private let path: String

  init() throws {
    folder = try TestFolder()
    path = folder.place("model.safetensors")
  }

  @Test("A network that is written and loaded is bit-identical, and written again is the same file")
  func roundTrip() throws {
    let store = smallNetwork(seed: 3)
    try ModelFile.write(store, to: path, metadata: ["epoch": "7"])
    let copy = smallNetwork(seed: 4)
    #expect(contents(copy) != contents(store))
    try ModelFile.load(path, into: copy)
    #expect(contents(copy) == contents(store))
    try ModelFile.write(copy, to: folder.place("again"), metadata: ["epoch": "7"])
    #expect(try folder.bytes("again") == folder.bytes("model.safetensors"))
    #expect(try Safetensors(contentsOf: path).metadata == ["epoch": "7", "format": "pt"])
  }

  @Test("The file has PyTorch's names, shapes and order of numbers")
  func likePyTorch() throws {
    let store = smallNetwork(seed: 3)
    try ModelFile.write(store, to: path)
    let file = try Safetensors(contentsOf: path)
    let backbone = "regular_stream.backbone."
    #expect(file[backbone + "conv1.weight"]?.shape == [3, 2, 3, 3])
    #expect(file["seg.weight"]?.shape == [5, 3, 1, 1])
    #expect(file[backbone + "bn1.num_batches_tracked"]?.shape == [])
    #expect(file[backbone + "bn1.num_batches_tracked"]?.type == .int64)
    let filter = store.parameters[0].value
    let theirs = try file.floats(backbone + "conv1.weight")
    // Output 2, input 1, row 0, column 2.
    #expect(theirs[((2 * 2 + 1) * 3 + 0) * 3 + 2] == filter[((0 * 3 + 2) * 2 + 1) * 3 + 2])
  }

  /// A copy of a small network's file, with its tensors changed by `change`.
  private func altered(
    _ seed: UInt64, _ change: (SafetensorsWriter.TensorRecord) -> SafetensorsWriter.TensorRecord?,
    adding extra: [SafetensorsWriter.TensorRecord] = []
  ) throws -> String {
    try ModelFile.write(smallNetwork(seed: seed), to: path)
    let file = try Safetensors(contentsOf: path)
    let tensors = file.entries.compactMap { entry in
      change(
        SafetensorsWriter.TensorRecord(entry.name, entry.type, entry.shape) { target in
          file.withBytes(of: entry) { target.copyMemory(from: $0) }
        })
    }
    let altered = folder.place("altered.safetensors")
    try SafetensorsWriter.write(tensors + extra, to: altered)
    return altered
  }

  private func zeros(_ name: String, _ type: ElementType, _ shape: [Int]) -> SafetensorsWriter.TensorRecord {
    SafetensorsWriter.TensorRecord(name, type, shape) { for index in $0.indices { $0[index] = 0 } }
  }

  @Test(
    "Values that are not finite in any of the number formats are refused: the first tensor and their number are named",
    arguments: [
      (ElementType.float32, [0x7F80_0000, 0xFF80_0000, 0x7FC0_0001] as [UInt64]),
      (.float64, [0x7FF0_0000_0000_0000, 0xFFF8_0000_0000_0000, 0x7FE0_0000_0000_0000]),
      (.float16, [0x7C00, 0xFC00, 0x7E01]),
      (.bfloat16, [0x7F80, 0xFF80, 0x7FC1]),
    ])
  func notFinite(type: ElementType, patterns: [UInt64]) throws {
    let bias = smallNetwork(seed: 3).parameters.last?.layout.count ?? 0
    let damaged = SafetensorsWriter.TensorRecord("seg.bias", type, [bias]) { bytes in
      for index in bytes.indices { bytes[index] = 0 }
      for (index, pattern) in patterns.enumerated() {
        for byte in 0..<type.size {
          bytes[index * type.size + byte] = UInt8(truncatingIfNeeded: pattern >> (8 * UInt64(byte)))
        }
      }
    }
    let file = try altered(3, { $0.name == "seg.bias" ? nil : $0 }, adding: [damaged])
    for strict in [true, false] {
      let store = smallNetwork(seed: 4)
      #expect(throws: WeightsError(file, .notFinite("seg.bias", values: 3, otherTensors: 0))) {
        try ModelFile.load(file, into: store, strict: strict)
      }
      #expect(contents(store) == contents(smallNetwork(seed: 4)), "unchanged")
    }
  }

  @Test("Of a tensor that the network does not need, values that are not finite do not matter")
  func notFiniteElsewhere() throws {
    let classifier = SafetensorsWriter.TensorRecord("regular_stream.backbone.fc.bias", .float32, [1]) { bytes in
      bytes.storeBytes(of: Float.nan.bitPattern, as: UInt32.self)
    }
    try ModelFile.load(altered(3, { $0 }, adding: [classifier]), into: smallNetwork(seed: 4))
  }

  @Test("timm's classifier is ignored")
  func classifier() throws {
    let prefix = "regular_stream.backbone.fc."
    let file = try altered(
      3, { $0 }, adding: [zeros(prefix + "weight", .float32, [2, 3]), zeros(prefix + "bias", .float32, [2])])
    let store = smallNetwork(seed: 4)
    try ModelFile.load(file, into: store)
    #expect(contents(store) == contents(smallNetwork(seed: 3)))
  }

  /// Expects loading the file to fail with this difference and to leave the network unchanged.
  private func expectRefusal(of file: String, because difference: String) {
    let store = smallNetwork(seed: 4)
    #expect(throws: WeightsError(file, .mismatch(difference))) { try ModelFile.load(file, into: store) }
    #expect(contents(store) == contents(smallNetwork(seed: 4)))
  }

  @Test("Missing, unexpected and incompatible tensors are named, and the network is unchanged")
  func mismatches() throws {
    expectRefusal(of: try altered(3) { $0.name == "seg.bias" ? nil : $0 }, because: "lacks seg.bias")
    expectRefusal(of: try altered(3, { $0 }, adding: [zeros("x", .float32, [1])]), because: "has the unexpected x")
    expectRefusal(
      of: try altered(3) { $0.name == "seg.bias" ? zeros("seg.bias", .float32, [6]) : $0 },
      because: "has a mismatch: seg.bias is [6], not [5]")
    expectRefusal(
      of: try altered(3) { $0.name == "seg.bias" ? zeros("seg.bias", .int32, [5]) : $0 },
      because: "has a mismatch: seg.bias is I32")
    expectRefusal(
      of: try altered(3) { $0.name.hasPrefix("seg") ? $0 : nil },
      because: "lacks regular_stream.backbone.conv1.weight, regular_stream.backbone.bn1.weight, "
        + "regular_stream.backbone.bn1.bias and 2 more")
  }

  @Test("Of a backbone under timm's names every matching tensor is loaded, and the report lists the rest")
  func backboneAlone() throws {
    let prefix = ModelFile.backbonePrefix
    let file = try altered(
      3,
      { tensor in
        guard tensor.name.hasPrefix(prefix) else { return nil }
        let name = String(tensor.name.dropFirst(prefix.count))
        return SafetensorsWriter.TensorRecord(name, tensor.type, tensor.shape, fill: tensor.fill)
      }, adding: [zeros("fc.weight", .float32, [2, 3]), zeros("stray", .float32, [1])])
    let store = smallNetwork(seed: 4)
    let report = try ModelFile.load(file, into: store, strict: false)
    #expect(
      report.matched
        == ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"]
        .map { prefix + $0 })
    #expect(report.missing == ["seg.weight", "seg.bias"])
    #expect(report.incompatible == [])
    #expect(report.unexpected == ["stray"])
    #expect(report.ignored == ["fc.weight"])
    #expect(
      report.description.hasPrefix(
        "6 tensors loaded, named as by timm; 2 missing from the file: seg.weight, seg.bias; 1 unexpected in the file: stray"
      ))
    let (before, given, after) = (contents(smallNetwork(seed: 4)), contents(smallNetwork(seed: 3)), contents(store))
    for (name, numbers) in after {
      #expect(numbers == (report.matched.contains(name) ? given : before)[name], "\(name)")
    }
  }

  @Test("A part of a backbone, or one of another shape, is refused: it would train as if it were whole")
  func partOfBackbone() throws {
    let prefix = ModelFile.backbonePrefix
    for (change, reason) in [
      (nil, "it lacks \(prefix)bn1.bias"), ([4], "\(prefix)bn1.bias is [4], not [3]"),
    ] as [([Int]?, String)] {
      let file = try altered(3) { tensor in
        tensor.name == prefix + "bn1.bias" ? change.map { zeros(tensor.name, .float32, $0) } : tensor
      }
      let store = smallNetwork(seed: 4)
      let words = "it holds a part of the backbone, 5 tensors that fit; \(reason)"
      #expect(throws: WeightsError(file, .mismatch(words))) { try ModelFile.load(file, into: store, strict: false) }
      #expect(contents(store) == contents(smallNetwork(seed: 4)))
    }
  }

  @Test("Without strict, a network with another head is loaded except for the head")
  func otherHead() throws {
    try ModelFile.write(smallNetwork(seed: 3, outputs: 7), to: path)
    let report = try ModelFile.load(path, into: smallNetwork(seed: 4), strict: false)
    #expect(report.matched.count == 6)
    #expect(report.incompatible == ["seg.weight is [7, 3, 1, 1], not [5, 3, 1, 1]", "seg.bias is [7], not [5]"])
  }

  @Test("Tensors in float16 are loaded")
  func halfPrecision() throws {
    let file = try altered(3) { tensor in
      guard tensor.name == "seg.bias" else { return tensor }
      return SafetensorsWriter.TensorRecord(tensor.name, .float16, tensor.shape) { bytes in
        for index in 0..<5 { bytes.storeBytes(of: Float16(index) / 4, toByteOffset: index * 2, as: Float16.self) }
      }
    }
    let store = smallNetwork(seed: 4)
    try ModelFile.load(file, into: store)
    #expect(store.parameters.last?.value.values == [0, 0.25, 0.5, 0.75, 1])
  }

  @Test("A file without a tensor of the network is an error that names it")
  func foreign() throws {
    let store = smallNetwork(seed: 4)
    let other = fixture("pytorch.safetensors")
    #expect(throws: WeightsError(other, .nothingFits("1.num_batches_tracked"))) {
      try ModelFile.load(other, into: store, strict: false)
    }
    let zip = try folder.file("model.pth", Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 1, count: 100))
    #expect(throws: WeightsError.self) { try ModelFile.load(zip, into: store) }
    #expect(contents(store) == contents(smallNetwork(seed: 4)))
  }

  @Test("With any bit of the header flipped, loading fails or gives the same network")
  func corruption() throws {
    try ModelFile.write(smallNetwork(seed: 3), to: path)
    let whole = try folder.bytes("model.safetensors")
    let start = 8 + Int(whole[0]) + Int(whole[1]) << 8
    let right = contents(smallNetwork(seed: 3))
    var refused = 0
    for position in 0..<start {
      for bit in 0..<8 {
        var bytes = whole
        bytes[position] ^= 1 << bit
        let store = smallNetwork(seed: 4)
        do {
          try ModelFile.load(folder.file("flipped", bytes), into: store)
          #expect(contents(store) == right, "byte \(position), bit \(bit)")
        } catch is WeightsError {
          refused += 1
        }
      }
    }
    // The rest are flips in white space and metadata.
    #expect(refused > start * 8 * 9 / 10)
  }
}
