import Foundation
import Jobs

/// Python with ONNX's own library and ONNX Runtime, where it is installed.
enum Python {
  private static let variable = "GSCNN_PYTHON"
  private static let interpreter = ProcessInfo.processInfo.environment[variable] ?? "python3"

  static let need =
    "needs Python with onnx and onnxruntime: python3 -m venv V; V/bin/pip install onnx onnxruntime; \(variable)=V/bin/python"

  static let hasONNX: Bool = {
    let job = try? Job.run(command: [interpreter, "-c", "import onnx, onnxruntime"])
    return job?.status == 0
  }()

  /// Runs a script of this folder.
  static func run(_ script: String, _ arguments: [String]) throws -> Job {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: script).path
    return try Job.run(command: [interpreter, path] + arguments)
  }
}
