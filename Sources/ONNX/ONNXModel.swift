import Protobuf
import System

/// A graph with its version and description: ONNX's ModelProto, the contents of an `.onnx` file.
package struct ONNXModel {
  /// Version 17 of the operators, and the version of the format that belongs to it: every operator that the network needs
  /// exists, and runtimes since ONNX 1.12 (2022) read it.
  package static let opset = 17
  package static let irVersion = 8

  package let graph: ONNXGraph
  /// Name and version of the program that wrote the model.
  package let producer: (name: String, version: String)
  /// For a reader, as plain text.
  package let documentation: String
  /// For a program: names and values.
  package let metadata: [String: String]

  package init(
    _ graph: ONNXGraph, producer: (name: String, version: String), documentation: String = "",
    metadata: [String: String] = [:]
  ) {
    self.graph = graph
    self.producer = producer
    self.documentation = documentation
    self.metadata = metadata
  }

  /// Replaces the file at `path` atomically. The same model gives the same bytes.
  ///
  /// The file is below the 2 GB that a message may have: the largest network has 60 million parameters.
  ///
  /// - Throws: `FileError` that names the file, or what the initializers throw; the file is then unchanged.
  package func write(to path: String, in fileSystem: FileSystem = FileSystem()) throws {
    try fileSystem.replaceFile(path) { try message.write(to: $0) }
  }

  private var message: ProtobufMessage {
    var opset = ProtobufMessage()
    // The operators of ONNX itself have the empty domain.
    opset.add(1, "")
    opset.add(2, Self.opset)
    var message = ProtobufMessage()
    message.add(1, Self.irVersion)
    message.add(2, producer.name)
    message.add(3, producer.version)
    message.add(6, documentation)
    message.add(7, graph.message)
    message.add(8, opset)
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      var entry = ProtobufMessage()
      entry.add(1, key)
      entry.add(2, value)
      message.add(14, entry)
    }
    return message
  }
}
