import Foundation
import Layers
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

  @Test("A network that is written and read back is the same to the bit, and written again is the same file")
  func roundTrip() throws {
    let store = smallNetwork(seed: 3)
    try ModelFile.write(store, to: path, metadata: ["epoch": "7"])
    let copy = smallNetwork(seed: 4)
    #expect(contents(copy) != contents(store))
    try ModelFile.read(path, into: copy)
    #expect(contents(copy) == contents(store))
    try ModelFile.write(Snapshot(of: copy), to: folder.place("again"), metadata: ["epoch": "7"])
    #expect(try folder.bytes("again") == folder.bytes("model.safetensors"))
    #expect(try Safetensors(contentsOf: path).metadata == ["epoch": "7", "format": "pt"])
  }

  @Test("The file has PyTorch's names, shapes and order of numbers")
  func asPyTorch() throws {
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

  /// The tensors of a small network's file, changed by `change`, in a file of their own.
  private func altered(
    _ seed: UInt64, _ change: (SafetensorsWriter.Outgoing) -> SafetensorsWriter.Outgoing?,
    adding extra: [SafetensorsWriter.Outgoing] = []
  ) throws -> String {
    try ModelFile.write(smallNetwork(seed: seed), to: path)
    let file = try Safetensors(contentsOf: path)
    let tensors = file.entries.compactMap { entry in
      change(
        SafetensorsWriter.Outgoing(entry.name, entry.type, entry.shape) { target in
          file.withBytes(of: entry) { target.copyMemory(from: $0) }
        })
    }
    let altered = folder.place("altered.safetensors")
    try SafetensorsWriter.write(tensors + extra, to: altered)
    return altered
  }

  private func zeros(_ name: String, _ type: ElementType, _ shape: [Int]) -> SafetensorsWriter.Outgoing {
    SafetensorsWriter.Outgoing(name, type, shape) { for index in $0.indices { $0[index] = 0 } }
  }

  @Test("timm's unused classifier is passed over")
  func classifier() throws {
    let prefix = "regular_stream.backbone.fc."
    let file = try altered(
      3, { $0 }, adding: [zeros(prefix + "weight", .float32, [2, 3]), zeros(prefix + "bias", .float32, [2])])
    let store = smallNetwork(seed: 4)
    try ModelFile.read(file, into: store)
    #expect(contents(store) == contents(smallNetwork(seed: 3)))
  }

  /// Reads the file into a network and expects it to be refused for this and the network to stay as it was.
  private func expectRefusal(of file: String, because difference: String) {
    let store = smallNetwork(seed: 4)
    #expect(throws: WeightsError(file, .mismatch(difference))) { try ModelFile.read(file, into: store) }
    #expect(contents(store) == contents(smallNetwork(seed: 4)))
  }

  @Test("A missing, an unknown and a misshapen tensor are each named, and the network stays as it was")
  func mismatches() throws {
    expectRefusal(of: try altered(3) { $0.name == "seg.bias" ? nil : $0 }, because: "lacks seg.bias")
    expectRefusal(of: try altered(3, { $0 }, adding: [zeros("x", .float32, [1])]), because: "has the unknown x")
    expectRefusal(
      of: try altered(3) { $0.name == "seg.bias" ? zeros("seg.bias", .float32, [6]) : $0 },
      because: "holds the wrong form: seg.bias is [6], not [5]")
    expectRefusal(
      of: try altered(3) { $0.name == "seg.bias" ? zeros("seg.bias", .int32, [5]) : $0 },
      because: "holds the wrong form: seg.bias is I32")
    expectRefusal(
      of: try altered(3) { $0.name.hasPrefix("seg") ? $0 : nil },
      because: "lacks regular_stream.backbone.conv1.weight, regular_stream.backbone.bn1.weight, "
        + "regular_stream.backbone.bn1.bias and 3 more")
  }

  @Test("A backbone under timm's own names fits where it fits, and the report tells the rest")
  func trunkAlone() throws {
    let prefix = ModelFile.backbonePrefix
    let file = try altered(
      3,
      { tensor in
        guard tensor.name.hasPrefix(prefix) else { return nil }
        let name = String(tensor.name.dropFirst(prefix.count))
        guard name != "bn1.bias" else { return zeros(name, .float32, [4]) }
        return SafetensorsWriter.Outgoing(name, tensor.type, tensor.shape, fill: tensor.fill)
      }, adding: [zeros("fc.weight", .float32, [2, 3]), zeros("stray", .float32, [1])])
    let store = smallNetwork(seed: 4)
    let report = try ModelFile.readWhatFits(file, into: store)
    #expect(
      report.matched
        == ["conv1.weight", "bn1.weight", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"]
        .map { prefix + $0 })
    #expect(report.missing == ["seg.weight", "seg.bias"])
    #expect(report.unfit == [prefix + "bn1.bias is [4], not [3]"])
    #expect(report.unexpected == ["stray"])
    #expect(report.passedOver == ["fc.weight"])
    #expect(report.description.hasPrefix("5 tensors read; 2 not in the file: seg.weight, seg.bias; 1 of another form"))
    let (before, given, after) = (contents(smallNetwork(seed: 4)), contents(smallNetwork(seed: 3)), contents(store))
    for (name, numbers) in after {
      #expect(numbers == (report.matched.contains(name) ? given : before)[name], "\(name)")
    }
  }

  @Test("A whole network is read as far as its head fits")
  func otherHead() throws {
    try ModelFile.write(smallNetwork(seed: 3, outputs: 7), to: path)
    let report = try ModelFile.readWhatFits(path, into: smallNetwork(seed: 4))
    #expect(report.matched.count == 6)
    #expect(report.unfit == ["seg.weight is [7, 3, 1, 1], not [5, 3, 1, 1]", "seg.bias is [7], not [5]"])
  }

  @Test("Weights in half precision are read into a whole network")
  func halfPrecision() throws {
    let file = try altered(3) { tensor in
      guard tensor.name == "seg.bias" else { return tensor }
      return SafetensorsWriter.Outgoing(tensor.name, .float16, tensor.shape) { bytes in
        for index in 0..<5 { bytes.storeBytes(of: Float16(index) / 4, toByteOffset: index * 2, as: Float16.self) }
      }
    }
    let store = smallNetwork(seed: 4)
    try ModelFile.read(file, into: store)
    #expect(store.parameters.last?.value.values == [0, 0.25, 0.5, 0.75, 1])
  }

  @Test("A file of something else is refused by name")
  func foreign() throws {
    let store = smallNetwork(seed: 4)
    let other = fixture("pytorch.safetensors")
    #expect(throws: WeightsError(other, .nothingFits("1.num_batches_tracked"))) {
      try ModelFile.readWhatFits(other, into: store)
    }
    let zip = try folder.file("model.pth", Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 1, count: 100))
    #expect(throws: WeightsError.self) { try ModelFile.read(zip, into: store) }
    #expect(contents(store) == contents(smallNetwork(seed: 4)))
  }

  @Test("Whatever bit of the header is damaged, the file is refused or the network it gives is the same")
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
          try ModelFile.read(folder.file("flipped", bytes), into: store)
          #expect(contents(store) == right, "byte \(position), bit \(bit)")
        } catch is WeightsError {
          refused += 1
        }
      }
    }
    // What is left are a few blanks and the remarks.
    #expect(refused > start * 8 * 9 / 10)
  }
}
