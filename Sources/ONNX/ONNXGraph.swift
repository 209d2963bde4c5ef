import Protobuf

/// A graph of operators: ONNX's GraphProto, as far as a network of single-precision tensors needs it.
///
/// Source of the numbers of fields and of types: https://github.com/onnx/onnx, `onnx/onnx.proto`.
package struct ONNXGraph {
  package var name: String
  package var inputs: [ValueInfo]
  package var outputs: [ValueInfo]
  /// In an order in which each one's inputs come before it.
  package var nodes: [Node] = []
  /// The constants of the graph.
  package var initializers: [Initializer] = []

  package init(name: String, inputs: [ValueInfo] = [], outputs: [ValueInfo] = []) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
  }

  /// A single-precision tensor that goes into the graph or comes out of it.
  package struct ValueInfo {
    package let name: String
    package let shape: [Dimension]

    package init(_ name: String, _ shape: [Dimension]) {
      self.name = name
      self.shape = shape
    }
  }

  package enum Dimension: Equatable, Sendable {
    case fixed(Int)
    /// Known only when the graph runs; the same wherever the name is the same.
    case dynamic(String)
  }

  package struct Node {
    package let type: String
    /// An empty name stands for an optional input that is not there.
    package var inputs: [String]
    /// Also the name of the node.
    package var output: String
    package let attributes: [(name: String, value: Attribute)]

    package init(
      _ type: String, _ inputs: [String], _ output: String, _ attributes: [(name: String, value: Attribute)] = []
    ) {
      self.type = type
      self.inputs = inputs
      self.output = output
      self.attributes = attributes
    }
  }

  package enum Attribute {
    case int(Int)
    case ints([Int])
    case string(String)
  }

  package struct Initializer {
    package enum Element: Int {
      case float32 = 1
      case int64 = 7

      var size: Int { self == .float32 ? 4 : 8 }
    }

    package let name: String
    package let element: Element
    /// Outermost dimension first; `[]` for a scalar.
    package let shape: [Int]
    /// Writes all bytes, row-major and little-endian.
    let fill: ProtobufMessage.Fill

    var byteCount: Int { shape.reduce(element.size, *) }

    package init(
      _ name: String, _ element: Element, _ shape: [Int], fill: @escaping (UnsafeMutableRawBufferPointer) throws -> Void
    ) {
      self.name = name
      self.element = element
      self.shape = shape
      self.fill = fill
    }

    package init(_ name: String, _ shape: [Int], _ values: [Float]) {
      self.init(name, .float32, shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    package init(_ name: String, _ values: [Int64]) {
      self.init(name, .int64, [values.count]) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }
  }
}

// MARK: - Encoding, by ascending field number as ONNX's own library does

extension ONNXGraph {
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    for node in nodes { message.add(1, node.message) }
    message.add(2, name)
    for initializer in initializers { message.add(5, initializer.message) }
    for input in inputs { message.add(11, input.message) }
    for output in outputs { message.add(12, output.message) }
    return message
  }
}

extension ONNXGraph.Node {
  fileprivate var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, inputs)
    message.add(2, [output])
    message.add(3, output)
    message.add(4, type)
    for (name, value) in attributes { message.add(5, value.message(name)) }
    return message
  }
}

extension ONNXGraph.Attribute {
  fileprivate func message(_ name: String) -> ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, name)
    let type: Int
    switch self {
    case .int(let value):
      message.add(3, value)
      type = 2
    case .string(let text):
      message.add(4, text)
      type = 3
    case .ints(let values):
      message.add(8, values)
      type = 7
    }
    message.add(20, type)
    return message
  }
}

extension ONNXGraph.Initializer {
  fileprivate var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, shape)
    message.add(2, element.rawValue)
    message.add(8, name)
    message.add(9, payload: byteCount, fill)
    return message
  }
}

extension ONNXGraph.ValueInfo {
  fileprivate var message: ProtobufMessage {
    var dimensions = ProtobufMessage()
    for extent in shape {
      var dimension = ProtobufMessage()
      switch extent {
      case .fixed(let count): dimension.add(1, count)
      case .dynamic(let name): dimension.add(2, name)
      }
      dimensions.add(1, dimension)
    }
    var tensor = ProtobufMessage()
    tensor.add(1, ONNXGraph.Initializer.Element.float32.rawValue)
    tensor.add(2, dimensions)
    var type = ProtobufMessage()
    type.add(1, tensor)
    var message = ProtobufMessage()
    message.add(1, name)
    message.add(2, type)
    return message
  }
}
