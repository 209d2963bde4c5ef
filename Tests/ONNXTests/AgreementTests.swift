import GatedSCNN
import Jobs
import Layers
import ONNX
import Tensors
import Testing

/// The exported graph computes what our own evaluation computes, within 1e-4; of an output below 1, within 1e-4 of its largest
/// magnitude.
@Suite("An exported network gives the results of evaluation", .serialized)
struct AgreementTests {
  private static let tolerance: Float = 1e-4
  private static let python = Python(with: "onnx", "onnxruntime")

  private func expectAgreement(_ path: String, _ test: Case) throws {
    let results = try ONNXInterpreter.run(ONNXFile(path), test.inputs)
    #expect(results.count == test.outputs.count)
    for (name, expected) in test.outputs {
      let difference = results[name]?.difference(from: expected) ?? .infinity
      #expect(difference <= Self.tolerance, "\(name) of \(test.name): \(difference)")
    }
  }

  @Test("By a plain interpreter of the file: one graph for all sizes, even and odd, and batches of 1 and 2")
  func dynamic() throws {
    let folder = try TestFolder()
    let path = folder.place("model.onnx")
    let network = makeNetwork(.resnet50)
    try export.model(of: network, dimensions: .init(), source: "w").write(to: path)
    for (images, height, width) in [(1, 33, 47), (2, 32, 48), (1, 41, 26), (1, 1, 5)] {
      try expectAgreement(path, Case(network, images, height, width))
    }
  }

  @Test("By a plain interpreter of the file: fixed sizes, either depth", arguments: Backbone.allCases)
  func fixed(_ backbone: Backbone) throws {
    let folder = try TestFolder()
    let path = folder.place("model.onnx")
    let network = makeNetwork(backbone)
    try export.model(of: network, dimensions: .init(batch: 1, height: 23, width: 34), source: "w").write(to: path)
    try expectAgreement(path, Case(network, 1, 23, 34))
  }

  @Test("A batch norm goes into the convolution before or after it, and otherwise becomes a scale and a shift")
  func folding() throws {
    let folder = try TestFolder()
    let store = ParameterStore()
    let scope = store.root
    let norms = (0..<5).map { BatchNorm(scope / "norm\($0)", channels: 4) }
    let convolutions = [1, 3, 3, 1].enumerated().map { index, kernel in
      Convolution(scope / "conv\(index)", from: 4, to: 4, kernel: kernel, bias: index % 2 == 0)
    }
    store.allocate(seed: 1)
    for parameter in store.parameters where parameter.layout == .vector(4) {
      for channel in 0..<4 { parameter.value[channel] += Float(channel) / 5 - 0.2 }
    }
    for (index, statistic) in store.statistics.enumerated() {
      for channel in 0..<4 { statistic.value[channel] = Float(index + 1) / 4 + Float(channel) / 3 }
    }
    let image = Tensor(Shape(1, 6, 7, 4), dense: (0..<168).map { Float($0 % 13) / 6 - 1 })
    let trace = Trace()
    let input = trace.value(of: image)
    let tape = Tape(.evaluation, workers: WorkerPool(threads: 1), trace: trace)

    // Before everything; after a convolution that has another user; before a 3×3 convolution; then after one, with a
    // residual; then before a 1×1 convolution that has a ReLU between.
    let first = norms[0](Activation(image), relu: false, in: tape)
    let a = convolutions[0](first, in: tape)
    let b = norms[1](a, relu: false, in: tape)
    let c = convolutions[1](norms[2](tape.sigmoid(a), relu: false, in: tape), in: tape)
    let d = norms[3](convolutions[2](c, in: tape), plus: b, in: tape)
    let e = convolutions[3](norms[4](tape.sigmoid(d), relu: true, in: tape), in: tape)

    let graph = TraceLowering.graph(
      of: trace, named: "folding", inputs: [(input, "x")], outputs: [(trace.value(of: e.value), "y")],
      dimensions: .init(), source: "w")
    try ONNXModel(graph, producer: ("test", "1")).write(to: folder.place("folding.onnx"))
    let file = try ONNXFile(folder.place("folding.onnx"))
    let scales = file.initializerNames.filter { $0.hasSuffix(".scale") }
    #expect(scales == ["norm1.scale", "norm2.scale", "norm4.scale"])
    let results = try ONNXInterpreter.run(file, ["x": image.channelsFirst])
    #expect((results["y"]?.difference(from: e.value.channelsFirst) ?? .infinity) < 1e-5)
  }

  @Test(
    "By ONNX Runtime, of files that ONNX's own checker accepts: even and odd sizes, batches of 1 and 2",
    .enabled(if: Self.python.isAvailable, "\(Self.python.need)"), arguments: Backbone.allCases)
  func runtime(_ backbone: Backbone) throws {
    let folder = try TestFolder()
    let network = makeNetwork(backbone)
    func compare(_ dimensions: ONNXDimensions, _ cases: [Case]) throws -> Job {
      let path = folder.place("model.onnx")
      try export.model(of: network, dimensions: dimensions, source: "w").write(to: path)
      for test in cases { try test.write(to: folder.place(test.name)) }
      return try Self.python.run("onnx_agrees.py", [path] + cases.map { folder.place($0.name) })
    }
    let cases = [(1, 33, 47), (2, 64, 96), (1, 96, 129), (2, 75, 101), (1, 1, 5)].map { Case(network, $0, $1, $2) }
    let dynamic = try compare(.init(), cases)
    #expect(dynamic.status == 0 && dynamic.output.count == 1 + 2 * cases.count, "\(dynamic.output) \(dynamic.errors)")
    guard backbone == .resnet50 else { return }
    let fixed = try compare(.init(batch: 2, height: 75, width: 101), [cases[3]])
    #expect(fixed.status == 0 && fixed.output.count == 3, "\(fixed.output) \(fixed.errors)")

    var wrong = cases[0]
    wrong.outputs["edges"]?.values[700] += 2e-4
    let refused = try compare(.init(), [wrong])
    #expect(refused.status == 1)
    #expect(refused.errors.last?.hasSuffix("differ by more than 0.0001") == true, "\(refused.errors)")
  }
}
