import Layers
import Tensors
import Weights

/// Turns the trace of a network into a graph of ONNX operators.
///
/// Layers keep PyTorch's names; what has no name is named after its input. The operators are chosen so that they give the
/// same numbers in every runtime, for any size of the image:
/// - Interpolation is `Resize` to a size that, unless all dimensions are fixed, the graph reads from another tensor of this
///   size.
/// - Average pooling with stride 2 ignores the pixels beyond an odd side (`ceil_mode`). Runtimes disagree about that
///   attribute; a replicated last row and column give the same mean. The pooling with stride 1 has zeros there.
package struct TraceLowering {
  /// An input or output of the network.
  package typealias NamedValue = (value: Trace.Value, name: String)

  private let trace: Trace
  private let folding: BatchNormFolding
  /// Named in errors.
  private let source: String
  private let dimensions: ONNXDimensions
  /// The size of the traced image.
  private let tracedSize: Size

  private var nodes: [ONNXGraph.Node] = []
  private var initializers: [ONNXGraph.Initializer] = []
  private var names: [Trace.Value: String]
  private var taken: Set<String>

  /// - Parameters:
  ///   - inputs: values with their names; the first is the image.
  ///   - outputs: values with their names.
  ///   - source: the file of the weights.
  /// - Returns: the graph, with the inputs and outputs in this order.
  package static func graph(
    of trace: Trace, named name: String, inputs: [NamedValue],
    outputs: [NamedValue], dimensions: ONNXDimensions, source: String
  ) -> ONNXGraph {
    var lowering = TraceLowering(trace, inputs: inputs, outputs: outputs, dimensions: dimensions, source: source)
    for index in trace.nodes.indices { lowering.lower(index) }
    lowering.rename(outputs)
    var graph = ONNXGraph(name: name)
    let info = { (value: NamedValue) in
      ONNXGraph.ValueInfo(value.name, dimensions.shape(of: trace.shapes[value.value], traced: lowering.tracedSize))
    }
    graph.inputs = inputs.map(info)
    graph.outputs = outputs.map(info)
    graph.nodes = lowering.nodes
    graph.initializers = lowering.initializers
    return graph
  }

  private init(
    _ trace: Trace, inputs: [NamedValue], outputs: [NamedValue],
    dimensions: ONNXDimensions, source: String
  ) {
    self.trace = trace
    self.dimensions = dimensions
    self.source = source
    folding = BatchNormFolding(trace, outputs: outputs.map(\.value))
    tracedSize = trace.shapes[inputs[0].value].size
    names = Dictionary(uniqueKeysWithValues: inputs.map { ($0.value, $0.name) })
    taken = Set((inputs + outputs).map(\.name))
  }

  // MARK: - Operations

  private mutating func lower(_ index: Int) {
    let node = trace.nodes[index]
    let inputs = node.inputs.map(name)
    let x = inputs[0]
    names[node.output] =
      switch node.operation {
      case .convolution(let convolution): add(folding.folded(convolution, at: index), to: x)
      case .batchNorm(let norm, let relu):
        add(norm, folding.place(of: index), to: x, plus: inputs.count > 1 ? inputs[1] : nil, relu: relu)
      case .relu: add("Relu", [x], "\(x).relu")
      case .sigmoid: add("Sigmoid", [x], "\(x).sigmoid")
      case .concatenate: add("Concat", inputs, "\(x).concat", [("axis", .int(1))])
      case .gate: add("Mul", [x, add("Add", [inputs[1], one()], "\(inputs[1]).plus_one")], "\(x).gate")
      case .maxPool3x3:
        add(
          "MaxPool", [x], "\(x).max_pool",
          [("kernel_shape", .ints([3, 3])), ("pads", .ints([1, 1, 1, 1])), ("strides", .ints([2, 2]))])
      case .averagePool2x2(let stride): addAveragePool(of: x, stride: stride)
      case .globalAveragePool: add("GlobalAveragePool", [x], "\(x).global_average_pool")
      case .interpolate(let size, let alignCorners):
        add(
          "Resize", [x, "", "", sizes(of: node.inputs[0], resizedTo: size)], "\(x).resize",
          [
            ("coordinate_transformation_mode", .string(alignCorners ? "align_corners" : "half_pixel")),
            ("mode", .string("linear")),
          ])
      }
  }

  private mutating func add(_ folded: FoldedConvolution, to x: String) -> String {
    let (convolution, weight) = (folded.convolution, folded.convolution.weight)
    var inputs = [x, addConstant(weight.name, weight.layout.shape, folded.fillWeight)]
    if let bias = folded.bias { inputs.append(addConstant("\(weight.layer).bias", bias)) }
    let (kernel, stride, dilation) = (convolution.kernel, convolution.stride, convolution.dilation)
    let padding = kernel / 2 * dilation
    return add(
      "Conv", inputs, weight.layer,
      [
        ("dilations", .ints([dilation, dilation])), ("kernel_shape", .ints([kernel, kernel])),
        ("pads", .ints([padding, padding, padding, padding])), ("strides", .ints([stride, stride])),
      ])
  }

  private mutating func add(
    _ norm: BatchNorm, _ place: BatchNormFolding.Place, to x: String, plus residual: String?, relu: Bool
  ) -> String {
    var y = x
    if case .none = place {
      let (layer, shape) = (norm.gamma.layer, [1, norm.gamma.layout.count, 1, 1])
      let (scale, shift) = norm.affineMap
      let scaled = add("Mul", [y, addConstant("\(layer).scale", scale.map { Float($0) }, shape)], "\(layer).scaled")
      y = add("Add", [scaled, addConstant("\(layer).shift", shift.map { Float($0) }, shape)], layer)
    }
    if let residual { y = add("Add", [y, residual], "\(y).sum") }
    return relu ? add("Relu", [y], "\(y).relu") : y
  }

  private mutating func addAveragePool(of x: String, stride: Int) -> String {
    if !taken.contains("pool.pads") {
      // One row below and one column to the right: begin and end of each of the four axes.
      initializers.append(ONNXGraph.Initializer(unique("pool.pads"), [0, 0, 0, 0, 0, 0, 1, 1]))
    }
    let padded = add(
      "Pad", [x, "pool.pads"], "\(x).pad", [("mode", .string(stride == 2 ? "edge" : "constant"))])
    return add(
      "AveragePool", [padded], "\(x).average_pool",
      [("kernel_shape", .ints([2, 2])), ("strides", .ints([stride, stride]))])
  }

  /// The constant 1.
  private mutating func one() -> String {
    if !taken.contains("one") { initializers.append(ONNXGraph.Initializer(unique("one"), [1], [1 as Float])) }
    return "one"
  }

  // MARK: - Sizes

  /// The name of the four sizes of a value once it is resized.
  private mutating func sizes(of value: Trace.Value, resizedTo size: Size) -> String {
    let x = name(value)
    let shape = dimensions.shape(of: trace.shapes[value].with(size: size), traced: tracedSize)
    let fixed = shape.compactMap { dimension -> Int64? in
      if case .fixed(let extent) = dimension { Int64(extent) } else { nil }
    }
    if fixed.count == 4 {
      let sizes = unique("\(x).sizes")
      initializers.append(ONNXGraph.Initializer(sizes, fixed))
      return sizes
    }
    guard let reference = trace.value(ofSize: size) else { preconditionFailure("no value has the size \(size)") }
    let spatial = "\(name(reference)).height_width"
    if !taken.contains(spatial) { _ = add("Shape", [name(reference)], spatial, [("start", .int(2))]) }
    let outer = add("Shape", [x], "\(x).batch_channels", [("end", .int(2))])
    return add("Concat", [outer, spatial], "\(x).sizes", [("axis", .int(0))])
  }

  // MARK: - Names

  private func name(_ value: Trace.Value) -> String {
    guard let name = names[value] else { preconditionFailure("an operation that was not traced") }
    return name
  }

  /// The name, or the name with a number if it is taken.
  private mutating func unique(_ name: String) -> String {
    var (candidate, number) = (name, 1)
    while !taken.insert(candidate).inserted {
      number += 1
      candidate = "\(name)_\(number)"
    }
    return candidate
  }

  /// Adds a node.
  ///
  /// - Returns: the name of its output.
  private mutating func add(
    _ type: String, _ inputs: [String], _ name: String,
    _ attributes: [(name: String, value: ONNXGraph.Attribute)] = []
  ) -> String {
    let name = unique(name)
    nodes.append(ONNXGraph.Node(type, inputs, name, attributes))
    return name
  }

  private mutating func addConstant(_ name: String, _ values: [Float], _ shape: [Int]? = nil) -> String {
    addConstant(name, shape ?? [values.count]) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  /// Adds a constant; writing it fails if folding has made a value infinite or not a number.
  private mutating func addConstant(
    _ name: String, _ shape: [Int], _ fill: @escaping (UnsafeMutableRawBufferPointer) -> Void
  ) -> String {
    let name = unique(name)
    initializers.append(
      ONNXGraph.Initializer(name, .float32, shape) { [source] bytes in
        fill(bytes)
        let damaged = UnsafeRawBufferPointer(bytes).nonFiniteFloats
        guard damaged == 0 else { throw WeightsError(source, .notFinite(name, values: damaged, otherTensors: 0)) }
      })
    return name
  }

  /// Gives the outputs of the network their names.
  private mutating func rename(_ outputs: [NamedValue]) {
    let new = Dictionary(uniqueKeysWithValues: outputs.map { (name($0.value), $0.name) })
    for index in nodes.indices {
      nodes[index].output = new[nodes[index].output] ?? nodes[index].output
      nodes[index].inputs = nodes[index].inputs.map { new[$0] ?? $0 }
    }
  }
}
