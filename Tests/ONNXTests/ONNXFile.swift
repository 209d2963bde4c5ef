import Foundation

/// An `.onnx` file, read for these tests.
struct ONNXFile {
  struct Node {
    let type: String
    let name: String
    let inputs: [String]
    let outputs: [String]
    let integers: [String: Int]
    let lists: [String: [Int]]
    let texts: [String: String]
  }

  struct Initializer {
    let type: Int
    let shape: [Int]
    let bytes: ArraySlice<UInt8>

    var floats: [Float] {
      bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
    }

    var integers: [Int] {
      bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int.self) }
      }
    }
  }

  let irVersion: Int?
  let producer: [String]
  let documentation: String
  let opsets: [String: Int]
  let metadata: [String: String]
  let nodes: [Node]
  let initializers: [String: Initializer]
  /// Names of the initializers, in order, with any duplicates.
  let initializerNames: [String]
  /// Names with their dimensions, each a number or a name.
  let inputs: [(name: String, shape: [String])]
  let outputs: [(name: String, shape: [String])]

  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
    let model = try ProtobufReader(bytes[...])
    irVersion = model.integer(1)
    producer = [model.text(2), model.text(3)]
    documentation = model.text(6)
    opsets = Dictionary(uniqueKeysWithValues: try model.messages(8).map { ($0.text(1), $0.integer(2) ?? 0) })
    metadata = Dictionary(uniqueKeysWithValues: try model.messages(14).map { ($0.text(1), $0.text(2)) })
    let graph = try model.messages(7)[0]
    nodes = try graph.messages(1).map { node in
      let attributes = try node.messages(5)
      return Node(
        type: node.text(4), name: node.text(3), inputs: node.texts(1), outputs: node.texts(2),
        integers: Self.values(attributes, type: 2) { $0.integer(3) ?? 0 },
        lists: Self.values(attributes, type: 7) { $0.integers[8] ?? [] },
        texts: Self.values(attributes, type: 3) { $0.text(4) })
    }
    let constants = try graph.messages(5)
    initializerNames = constants.map { $0.text(8) }
    initializers = Dictionary(
      constants.map {
        (
          $0.text(8),
          Initializer(type: $0.integer(2) ?? 0, shape: $0.integers[1] ?? [], bytes: $0.bytes[9]?.first ?? [])
        )
      }, uniquingKeysWith: { first, _ in first })
    inputs = try graph.messages(11).map(Self.information)
    outputs = try graph.messages(12).map(Self.information)
  }

  private static func values<Value>(
    _ attributes: [ProtobufReader], type: Int, _ value: (ProtobufReader) -> Value
  ) -> [String: Value] {
    Dictionary(uniqueKeysWithValues: attributes.filter { $0.integer(20) == type }.map { ($0.text(1), value($0)) })
  }

  private static func information(_ info: ProtobufReader) throws -> (name: String, shape: [String]) {
    let tensor = try info.messages(2)[0].messages(1)[0]
    guard tensor.integer(1) == 1 else { throw ProtobufReader.Failure.malformed(at: 0) }
    return (
      info.text(1),
      try tensor.messages(2)[0].messages(1).map { dimension in
        dimension.integer(1).map(String.init) ?? dimension.text(2)
      }
    )
  }
}
