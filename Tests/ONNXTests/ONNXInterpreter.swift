import Foundation

/// Runs a graph as the specification of ONNX's operators (version 17) describes them, with plain loops: the second opinion
/// of these tests where no ONNX runtime is installed. It knows the operators that the network needs, with the
/// attributes that it needs, and refuses everything else.
///
/// Source: https://github.com/onnx/onnx/blob/main/docs/Operators.md
struct ONNXInterpreter {
  /// Dense, row-major.
  struct NDArray: Equatable {
    var shape: [Int]
    var values: [Float]

    init(_ shape: [Int], _ values: [Float]) {
      precondition(shape.reduce(1, *) == values.count)
      (self.shape, self.values) = (shape, values)
    }

    init(_ shape: [Int]) { self.init(shape, [Float](repeating: 0, count: shape.reduce(1, *))) }
  }

  struct Failure: Error {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private let file: ONNXFile
  private var tensors: [String: NDArray]
  private var integers: [String: [Int]]

  /// Runs the graph.
  ///
  /// - Returns: the outputs by name.
  static func run(_ file: ONNXFile, _ inputs: [String: NDArray]) throws -> [String: NDArray] {
    var interpreter = ONNXInterpreter(file, inputs)
    for node in file.nodes { try interpreter.run(node) }
    return try Dictionary(uniqueKeysWithValues: file.outputs.map { ($0.name, try interpreter.tensor($0.name)) })
  }

  private init(_ file: ONNXFile, _ inputs: [String: NDArray]) {
    self.file = file
    tensors = inputs
    integers = file.initializers.filter { $0.value.type == 7 }.mapValues(\.integers)
    for (name, constant) in file.initializers where constant.type == 1 && constant.shape.count != 4 {
      tensors[name] = NDArray(constant.shape, constant.floats)
    }
  }

  private func tensor(_ name: String) throws -> NDArray {
    if let tensor = tensors[name] { return tensor }
    // Weights are converted when they are used, and not kept.
    if let constant = file.initializers[name], constant.type == 1 { return NDArray(constant.shape, constant.floats) }
    throw Failure("\(name) has no value")
  }

  private func list(_ name: String) throws -> [Int] {
    guard let list = integers[name] else { throw Failure("\(name) has no value") }
    return list
  }

  private mutating func run(_ node: ONNXFile.Node) throws {
    let output = node.outputs[0]
    switch node.type {
    case "Shape":
      let shape = try tensor(node.inputs[0]).shape
      integers[output] = Array(shape[(node.integers["start"] ?? 0)..<(node.integers["end"] ?? shape.count)])
    case "Concat" where node.inputs.allSatisfy { integers[$0] != nil }:
      guard node.integers == ["axis": 0] else { throw Failure("\(node.name): axis") }
      integers[output] = try node.inputs.flatMap(list)
    case "Concat":
      guard node.integers == ["axis": 1] else { throw Failure("\(node.name): axis") }
      tensors[output] = Self.concatenated(try node.inputs.map(tensor))
    case "Relu": tensors[output] = try map(node) { $0 > 0 ? $0 : 0 }
    case "Sigmoid": tensors[output] = try map(node) { Float(1 / (1 + exp(-Double($0)))) }
    case "Add": tensors[output] = try Self.broadcast(tensor(node.inputs[0]), tensor(node.inputs[1]), +)
    case "Mul": tensors[output] = try Self.broadcast(tensor(node.inputs[0]), tensor(node.inputs[1]), *)
    case "Conv":
      tensors[output] = try ConvolutionLoop(node).run(
        tensor(node.inputs[0]), weight: tensor(node.inputs[1]),
        bias: node.inputs.count > 2 ? tensor(node.inputs[2]).values : nil)
    case "MaxPool":
      tensors[output] = try pooled(node, initial: -.infinity) {
        max($0, $1)
      } final: { value, _ in
        value
      }
    case "AveragePool":
      guard node.lists["pads"] == nil else { throw Failure("\(node.name): padding inside an average pooling") }
      tensors[output] = try pooled(node, initial: 0, +) { sum, count in sum / Float(count) }
    case "GlobalAveragePool":
      let x = try tensor(node.inputs[0])
      let pixels = x.shape[2] * x.shape[3]
      tensors[output] = NDArray(
        [x.shape[0], x.shape[1], 1, 1],
        (0..<x.shape[0] * x.shape[1]).map { plane in
          Float(x.values[plane * pixels..<(plane + 1) * pixels].reduce(0) { $0 + Double($1) } / Double(pixels))
        })
    case "Pad": tensors[output] = try padded(node)
    case "Resize": tensors[output] = try resized(node)
    default: throw Failure("\(node.name): \(node.type)")
    }
  }

  private func map(_ node: ONNXFile.Node, _ function: (Float) -> Float) throws -> NDArray {
    let x = try tensor(node.inputs[0])
    return NDArray(x.shape, x.values.map(function))
  }

  /// Element by element; the second tensor is repeated along the dimensions in which it has the size 1.
  private static func broadcast(_ a: NDArray, _ b: NDArray, _ combine: (Float, Float) -> Float) throws -> NDArray {
    if a.shape == b.shape { return NDArray(a.shape, zip(a.values, b.values).map(combine)) }
    let shape = [Int](repeating: 1, count: 4 - b.shape.count) + b.shape
    guard a.shape.count == 4, zip(a.shape, shape).allSatisfy({ $1 == $0 || $1 == 1 }) else {
      throw Failure("\(b.shape) is not broadcast to \(a.shape)")
    }
    var (result, index) = (a, 0)
    for n in 0..<a.shape[0] {
      for c in 0..<a.shape[1] {
        for y in 0..<a.shape[2] {
          for x in 0..<a.shape[3] {
            let place = zip([n, c, y, x], shape).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
            result.values[index] = combine(a.values[index], b.values[place])
            index += 1
          }
        }
      }
    }
    return result
  }

  /// Along the channels.
  private static func concatenated(_ parts: [NDArray]) -> NDArray {
    var shape = parts[0].shape
    shape[1] = parts.reduce(0) { $0 + $1.shape[1] }
    var values: [Float] = []
    for image in 0..<shape[0] {
      for part in parts {
        let count = part.values.count / shape[0]
        values += part.values[image * count..<(image + 1) * count]
      }
    }
    return NDArray(shape, values)
  }

  /// Windows outside the image, in the padding, do not count.
  private func pooled(
    _ node: ONNXFile.Node, initial: Float, _ combine: (Float, Float) -> Float, final: (Float, Int) -> Float
  ) throws -> NDArray {
    let x = try tensor(node.inputs[0])
    let (kernel, stride) = (node.lists["kernel_shape"]?[0] ?? 0, node.lists["strides"]?[0] ?? 0)
    let padding = node.lists["pads"]?[0] ?? 0
    guard node.integers.isEmpty, node.texts.isEmpty else { throw Failure("\(node.name): an unknown attribute") }
    let (height, width) = (x.shape[2], x.shape[3])
    let side = { (size: Int) in (size + 2 * padding - kernel) / stride + 1 }
    var result = NDArray([x.shape[0], x.shape[1], side(height), side(width)])
    var index = 0
    for plane in 0..<x.shape[0] * x.shape[1] {
      for row in 0..<side(height) {
        for column in 0..<side(width) {
          var (value, count) = (initial, 0)
          for y in max(0, row * stride - padding)..<min(height, row * stride - padding + kernel) {
            for x0 in max(0, column * stride - padding)..<min(width, column * stride - padding + kernel) {
              value = combine(value, x.values[(plane * height + y) * width + x0])
              count += 1
            }
          }
          result.values[index] = final(value, count)
          index += 1
        }
      }
    }
    return result
  }

  /// At the end of rows and columns.
  private func padded(_ node: ONNXFile.Node) throws -> NDArray {
    let x = try tensor(node.inputs[0])
    let pads = try list(node.inputs[1])
    guard pads.count == 8, pads[..<6].allSatisfy({ $0 == 0 }), let mode = node.texts["mode"],
      ["edge", "constant"].contains(mode)
    else { throw Failure("\(node.name): \(pads)") }
    let (height, width) = (x.shape[2], x.shape[3])
    var result = NDArray([x.shape[0], x.shape[1], height + pads[6], width + pads[7]])
    var index = 0
    for plane in 0..<x.shape[0] * x.shape[1] {
      for y in 0..<height + pads[6] {
        for column in 0..<width + pads[7] {
          let inside = y < height && column < width
          if inside || mode == "edge" {
            result.values[index] = x.values[(plane * height + min(y, height - 1)) * width + min(column, width - 1)]
          }
          index += 1
        }
      }
    }
    return result
  }

  /// Bilinear.
  private func resized(_ node: ONNXFile.Node) throws -> NDArray {
    let x = try tensor(node.inputs[0])
    guard node.inputs.count == 4, node.inputs[1...2] == ["", ""], node.texts["mode"] == "linear",
      let mode = node.texts["coordinate_transformation_mode"], ["align_corners", "half_pixel"].contains(mode)
    else { throw Failure("\(node.name): \(node.texts)") }
    let sizes = try list(node.inputs[3])
    guard sizes.count == 4, sizes[..<2] == x.shape[..<2] else { throw Failure("\(node.name): to \(sizes)") }
    /// The two positions that an output position blends, and the share of the second.
    func tap(_ output: Int, of outputs: Int, inputs: Int) -> (lower: Int, upper: Int, fraction: Double) {
      let place =
        mode == "half_pixel"
        ? (Double(output) + 0.5) * Double(inputs) / Double(outputs) - 0.5
        : outputs == 1 ? 0 : Double(output) * Double(inputs - 1) / Double(outputs - 1)
      let clamped = min(max(place, 0), Double(inputs - 1))
      let lower = Int(clamped)
      return (lower, min(lower + 1, inputs - 1), clamped - Double(lower))
    }
    let (height, width) = (x.shape[2], x.shape[3])
    let rows = (0..<sizes[2]).map { tap($0, of: sizes[2], inputs: height) }
    let columns = (0..<sizes[3]).map { tap($0, of: sizes[3], inputs: width) }
    var result = NDArray(sizes)
    var index = 0
    for plane in 0..<sizes[0] * sizes[1] {
      for row in rows {
        for column in columns {
          let at = { (y: Int, x0: Int) in Double(x.values[(plane * height + y) * width + x0]) }
          let upper =
            at(row.lower, column.lower) * (1 - column.fraction) + at(row.lower, column.upper) * column.fraction
          let below =
            at(row.upper, column.lower) * (1 - column.fraction) + at(row.upper, column.upper) * column.fraction
          result.values[index] = Float(upper * (1 - row.fraction) + below * row.fraction)
          index += 1
        }
      }
    }
    return result
  }
}
