import Foundation
import ONNX
import System
import Testing

@Suite("ONNX files")
struct EncodingTests {
  /// The model of `Fixtures/small.onnx` (`make_fixture` in `onnx_agrees.py`).
  private var small: ONNXModel {
    var graph = ONNXGraph(
      name: "small",
      inputs: [.init("x", [.dynamic("batch"), .fixed(2), .dynamic("height"), .fixed(70000)])],
      outputs: [.init("y", [.fixed(1), .fixed(200), .fixed(5), .fixed(6)])])
    graph.nodes = [
      .init(
        "Conv", ["x", "w"], "c",
        [
          ("dilations", .ints([1, 1])), ("kernel_shape", .ints([1, 1])), ("pads", .ints([0, 0, 0, 0])),
          ("strides", .ints([300, 1])),
        ]),
      .init(
        "Resize", ["c", "", "", "sizes"], "r",
        [("coordinate_transformation_mode", .string("half_pixel")), ("mode", .string("linear"))]),
      .init("Softmax", ["r"], "y", [("axis", .int(-1))]),
    ]
    graph.initializers = [
      .init("w", [200, 2, 1, 1], (0..<400).map { Float($0) / 8 - 3 }), .init("sizes", [1, 200, 5, 6]),
    ]
    return ONNXModel(
      graph, producer: ("gscnn", "1.2.3"), documentation: "⌈H/2⌉\n\"x\"",
      metadata: ["empty": "", "classes": "[\"road\"]"])
  }

  @Test("A written model is byte for byte what ONNX's own library writes")
  func sameBytes() throws {
    let folder = try TestFolder()
    let path = folder.place("small.onnx")
    try small.write(to: path)
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/small.onnx")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: fixture))
  }

  @Test(
    "A failure at any step leaves the old file as it was, and no temporary one",
    arguments: [FileSystem.Operation.create, .write, .sync, .rename])
  func failure(at operation: FileSystem.Operation) throws {
    let folder = try TestFolder()
    let path = folder.place("small.onnx")
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    let fileSystem = FileSystem { current, path in
      if current == operation { throw FileError(path, current, errno: ENOSPC) }
    }
    #expect(throws: FileError(path, operation, errno: ENOSPC)) { try small.write(to: path, in: fileSystem) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["small.onnx"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("old".utf8))
  }
}
