import Foundation
import GatedSCNN
import Layers
import ONNX
import Testing
import Weights

@Suite("The exported network")
struct GraphTests {
  /// Exports a network and reads the file.
  private func exported(_ backbone: Backbone, _ dimensions: ONNXDimensions = .init()) throws -> ONNXFile {
    let folder = try TestFolder()
    let path = folder.place("model.onnx")
    try export.model(of: makeNetwork(backbone), dimensions: dimensions, source: "w.safetensors").write(to: path)
    return try ONNXFile(path)
  }

  @Test(
    "The graph is well formed: each input is produced before it is used, each name is unique, nothing is unused",
    arguments: Backbone.allCases, [ONNXDimensions(), ONNXDimensions(batch: 2, height: 33, width: 48)])
  func wellFormed(_ backbone: Backbone, _ dimensions: ONNXDimensions) throws {
    let file = try exported(backbone, dimensions)
    #expect(file.irVersion == 8 && file.opsets == ["": 17])
    #expect(file.producer == ["gscnn", "1.2.3"])

    var known = Set(file.inputs.map(\.name) + file.initializerNames)
    #expect(known.count == file.inputs.count + file.initializerNames.count)
    var used = Set(file.outputs.map(\.name))
    for node in file.nodes {
      for input in node.inputs where !input.isEmpty {
        #expect(known.contains(input), "\(node.name) uses \(input)")
        used.insert(input)
      }
      #expect(node.outputs == [node.name])
      #expect(known.insert(node.name).inserted, "\(node.name) occurs twice")
    }
    #expect(known.subtracting(used) == [])
    #expect(used.subtracting(known) == [])

    for (name, constant) in file.initializers {
      let size = constant.type == 1 ? 4 : 8
      #expect(constant.bytes.count == constant.shape.reduce(size, *), "\(name)")
    }
  }

  @Test("Every weight of the network is there once, under PyTorch's name and shape, and no batch norm is left")
  func weights() throws {
    for backbone in Backbone.allCases {
      let file = try exported(backbone)
      let filters = makeNetwork(backbone).store.parameters.filter { $0.layout.shape.count == 4 }
      let weights = file.initializers.filter { $0.key.hasSuffix(".weight") }
      #expect(weights.mapValues(\.shape) == .init(uniqueKeysWithValues: filters.map { ($0.name, $0.layout.shape) }))
      let counts = file.nodes.reduce(into: [String: Int]()) { $0[$1.type, default: 0] += 1 }
      #expect(counts["Conv"] == filters.count)
      #expect(
        Set(counts.keys) == [
          "Conv", "Relu", "Sigmoid", "Add", "Mul", "Concat", "Resize", "Shape", "Pad", "AveragePool", "MaxPool",
          "GlobalAveragePool",
        ])
      #expect(counts["Mul"] == 3, "the gates; no batch norm became a scale")
    }
  }

  @Test("Inputs and outputs have their names; sizes are those given, or names")
  func sizes() throws {
    func shapes(_ dimensions: ONNXDimensions) throws -> (ONNXFile, [String: [String]]) {
      let file = try exported(.resnet50, dimensions)
      #expect(file.inputs.map(\.name) == ["image", "canny"] && file.outputs.map(\.name) == ["logits", "edges"])
      return (file, .init(uniqueKeysWithValues: (file.inputs + file.outputs).map { ($0.name, $0.shape) }))
    }
    let (_, dynamic) = try shapes(.init())
    #expect(
      dynamic == [
        "image": ["batch", "3", "height", "width"], "canny": ["batch", "1", "height", "width"],
        "logits": ["batch", "19", "height", "width"], "edges": ["batch", "1", "height", "width"],
      ])
    let (fixed, fixedShapes) = try shapes(.init(batch: 2, height: 33, width: 48))
    #expect(
      fixedShapes == [
        "image": ["2", "3", "33", "48"], "canny": ["2", "1", "33", "48"], "logits": ["2", "19", "33", "48"],
        "edges": ["2", "1", "33", "48"],
      ])
    #expect(!fixed.nodes.contains { $0.type == "Shape" }, "fixed sizes are constants")
    let sizes = fixed.nodes.filter { $0.type == "Resize" }.map { fixed.initializers[$0.inputs[3]]?.integers ?? [] }
    // The stem, the side outputs, the pooled pixel, the attention, ASPP and the scores.
    #expect(
      sizes.sorted { "\($0)" < "\($1)" } == [
        [2, 1, 33, 48], [2, 1, 33, 48], [2, 1, 33, 48], [2, 1, 5, 6], [2, 19, 33, 48], [2, 256, 5, 6], [2, 256, 9, 12],
        [2, 64, 33, 48],
      ])
    let (_, mixed) = try shapes(.init(height: 33))
    #expect(mixed["image"] == ["batch", "3", "33", "width"])
  }

  @Test("The description says what goes in, what comes out, and whose weights they are")
  func description() throws {
    let file = try exported(.resnet101)
    for words in ["(x / 255 - mean) / std", "cv2.Canny(bgr, 10, 100) / 255", "[batch, 19, height, width]", "resnet101"]
    {
      #expect(file.documentation.contains(words), "\(words)")
    }
    #expect(file.metadata["epoch"] == "7")
    #expect(file.metadata["backbone"] == "resnet101", "the network's own, whatever the file of the weights says")
    func list(_ key: String) throws -> [Any] {
      try #require(JSONSerialization.jsonObject(with: Data(file.metadata[key, default: ""].utf8)) as? [Any])
    }
    #expect(try list("classes") as? [String] == (0..<19).map { "class \($0)" })
    #expect(try list("palette") as? [[Int]] == (0..<19).map { [$0, 0, 255] })
    #expect(try list("mean") as? [Double] == [0.485, 0.456, 0.406])
    #expect(try list("std") as? [Double] == [0.229, 0.224, 0.225])
  }

  @Test("The same weights give the same bytes")
  func deterministic() throws {
    let folder = try TestFolder()
    let paths = ["a", "b"].map { folder.place("\($0).onnx") }
    for path in paths {
      try export.model(of: makeNetwork(.resnet50), dimensions: .init(), source: "w").write(to: path)
    }
    #expect(FileManager.default.contentsEqual(atPath: paths[0], andPath: paths[1]))
  }

  @Test("Weights that folding makes infinite or not a number are refused: the error names file and layer")
  func notFinite() throws {
    let folder = try TestFolder()
    let network = makeNetwork(.resnet50)
    let variance = try #require(network.store.statistics.first { $0.name == "seg.1.running_var" })
    variance.value[5] = -1
    let model = export.model(of: network, dimensions: .init(), source: "w.safetensors")
    #expect(throws: WeightsError("w.safetensors", .notFinite("seg.0.weight", values: 304 * 9, otherTensors: 0))) {
      try model.write(to: folder.place("model.onnx"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }
}
