import GatedSCNN
import Layers
import Testing
import Weights

/// `make_weight_files.py` writes the files: each tensor repeats one number, which tells it from the others.
@Suite("Names of other libraries")
struct BackboneNamingTests {
  private static let resnet50 = Result { try loaded("timm-resnet50", .resnet50) }
  private static let resnet101 = Result { try loaded("timm-resnet101", .resnet101) }

  private struct Loaded: Sendable {
    let report: MatchReport
    let values: [Float]
    let running: [Float]
  }

  private static func loaded(_ name: String, _ backbone: Backbone) throws -> Loaded {
    let store = GatedSCNN(backbone, seed: 3).store
    let report = try ModelFile.load(fixture("names/\(name).pth"), into: store, strict: false)
    return Loaded(report: report, values: store.values.values, running: store.running.values)
  }

  @Test("timm's names are those of the backbone, each with its own tensor")
  func timm() throws {
    let store = GatedSCNN(.resnet50, seed: 3).store
    let report = try ModelFile.load(fixture("names/timm-resnet50.pth"), into: store, strict: false)
    #expect(report.naming == "timm")
    #expect(report.ignored == ["fc.weight", "fc.bias"])
    #expect(report.unexpected == [])
    #expect(report.matched.count == 330)
    var number: Float = 0
    for entry in store.entries where entry.name.hasPrefix(ModelFile.backbonePrefix) {
      number += 1
      switch entry {
      case .parameter(let parameter): #expect(parameter.value.values.allSatisfy { $0 == number }, "\(entry.name)")
      case .statistic(let statistic): #expect(statistic.value.values.allSatisfy { $0 == number }, "\(entry.name)")
      case .counter(let counter):
        #expect(counter.value == 5)
        number -= 1
      }
    }
    #expect(number == 275)
  }

  @Test(
    "A backbone under the names of another library becomes the same network as under timm's",
    arguments: [
      ("mmsegmentation-resnet50", "mmsegmentation's ResNetV1d under backbone.", 2),
      ("mmpretrain-resnet50", "mmpretrain's ResNetV1d under backbone.", 2),
      ("paddleseg-resnet50", "PaddleSeg's ResNet_vd", 2),
      ("paddleclas-resnet50", "PaddleClas's ResNet_vd", 2),
      ("paddleclas-resnet101", "PaddleClas's ResNet_vd", 2),
      ("encoder-resnet50", "timm under encoder.model.", 1),
    ])
  func otherLibraries(name: String, naming: String, heads: Int) throws {
    let isDeep = name.hasSuffix("101")
    let expected = try (isDeep ? Self.resnet101 : Self.resnet50).get()
    let found = try Self.loaded(name, isDeep ? .resnet101 : .resnet50)
    #expect(found.values == expected.values)
    #expect(found.running == expected.running)
    #expect(found.report.naming == naming)
    #expect(found.report.ignored.count == heads)
    #expect(found.report.unexpected == [])
    #expect(found.report.incompatible == [])
    #expect(found.report.missing.allSatisfy { !$0.hasPrefix(ModelFile.backbonePrefix) })
    #expect(found.report.description.contains("named as by \(naming)"))
  }

  @Test(
    "A backbone of another kind is refused with the reason, and the network is unchanged",
    arguments: [
      ("torchvision-resnet50", Backbone.resnet50, "one convolution of 7×7 (torchvision's ResNet)"),
      ("v1c-resnet50", .resnet50, "(ResNetV1c)"),
      ("timm-resnet101", .resnet50, "a resnet101 (23 blocks in the third stage), this network's a resnet50 (6)"),
      ("timm-resnet50", .resnet101, "a resnet50 (6 blocks in the third stage), this network's a resnet101 (23)"),
      ("half-resnet50", .resnet50, "a part of the backbone, 137 tensors that fit; it lacks regular_stream.backbone."),
    ])
  func otherBackbones(name: String, backbone: Backbone, reason: String) throws {
    let store = GatedSCNN(backbone, seed: 3).store
    let before = store.values.values
    let error = #expect(throws: WeightsError.self) {
      try ModelFile.load(fixture("names/\(name).pth"), into: store, strict: false)
    }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
    #expect(store.values.values == before)
  }

  @Test("A backbone whose blocks hold more than a ResNet-D's is refused: it would train without its attention")
  func attention() throws {
    let folder = try TestFolder()
    let plain = try StateDict(contentsOf: fixture("names/timm-resnet50.pth"))
    let path = folder.place("ecaresnet50d.safetensors")
    try ModelFile.convert(plain, to: path, normalization: nil)
    let file = try Safetensors(contentsOf: path)
    var records = file.entries.map { entry in
      SafetensorsWriter.TensorRecord(entry.name, entry.type, entry.shape) { bytes in
        file.withBytes(of: entry) { bytes.copyMemory(from: $0) }
      }
    }
    records.append(
      SafetensorsWriter.TensorRecord("layer1.0.se.conv.weight", .float32, [1]) { $0.copyBytes(from: [0, 0, 0, 0]) })
    let other = folder.place("other.safetensors")
    try SafetensorsWriter.write(records, metadata: [:], to: other)
    let error = #expect(throws: WeightsError.self) {
      try ModelFile.load(other, into: GatedSCNN(.resnet50, seed: 3).store, strict: false)
    }
    #expect(
      error?.description.contains("such as attention: layer1.0.se.conv.weight") == true, "\(String(describing: error))")
  }

  @Test("The depth of a backbone is told by its names, whatever the library")
  func depth() throws {
    for (name, blocks) in [("paddleclas-resnet101", 23), ("paddleclas-resnet50", 6), ("mmpretrain-resnet50", 6)] {
      let match = try #require(try NameMatch(StateDict(contentsOf: fixture("names/\(name).pth"))))
      #expect(match.blocksInStage3 == blocks)
      #expect(!match.isNetwork)
    }
  }

  @Test("Converted, a backbone has timm's names")
  func conversion() throws {
    let folder = try TestFolder()
    let output = folder.place("out.safetensors")
    try ModelFile.convert(
      StateDict(contentsOf: fixture("names/paddleseg-resnet50.pth")), to: output, normalization: nil)
    let names = Set(try Safetensors(contentsOf: output).entries.map(\.name))
    #expect(names.isSuperset(of: ["conv1.0.weight", "bn1.running_var", "layer4.2.conv3.weight", "out.weight"]))
    #expect(names.count == 277)
    let store = GatedSCNN(.resnet50, seed: 3).store
    #expect(try ModelFile.load(output, into: store, strict: false).naming == "timm")
    let expected = try Self.resnet50.get().values
    #expect(store.values.values == expected)
  }
}
