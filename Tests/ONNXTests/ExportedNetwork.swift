import Foundation
import GatedSCNN
import Layers
import ONNX
import Tensors
import Weights

/// A temporary directory, removed with the object.
final class TestFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/gscnn-onnx-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func place(_ name: String) -> String { path + "/" + name }
}

/// A network in which every parameter and statistic counts: no scale is 0, no mean is 0, and the outputs of one image differ
/// from pixel to pixel.
func makeNetwork(_ backbone: Backbone) -> GatedSCNN {
  let network = GatedSCNN(backbone, seed: 3)
  for entry in network.store.entries {
    var random = RandomNumbers(named: entry.name)
    switch entry {
    case .parameter(let parameter) where parameter.name.hasSuffix(".bias"):
      for index in 0..<parameter.value.count { parameter.value[index] = Float(random.uniform(in: -0.2..<0.2)) }
    case .parameter(let parameter):
      guard case .vector = parameter.layout else {
        // Beside the backbone, as large as keeps the size of activations from layer to layer.
        let factor: Float = parameter.name.hasPrefix("regular_stream.") ? 1 : 2.45
        for index in 0..<parameter.value.count { parameter.value[index] *= factor }
        continue
      }
      // The last scale of a residual block is small, so that the sums do not grow from block to block.
      let scale = parameter.name.hasSuffix("bn3.weight") ? 0.3 : 1
      for index in 0..<parameter.value.count { parameter.value[index] = Float(scale * random.uniform(in: 0.7..<1.3)) }
    case .statistic(let statistic):
      let range = statistic.name.hasSuffix("running_var") ? 0.5..<1.5 : -0.2..<0.2
      for index in 0..<statistic.count { statistic.value[index] = Float(random.uniform(in: range)) }
    case .counter: break
    }
  }
  return network
}

let export = ONNXExport(
  classes: (0..<19).map { ("class \($0)", [UInt8($0), 0, 255]) }, mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225], canny: (10, 100), identity: ["epoch": "7", "backbone": "not this"],
  producer: ("gscnn", "1.2.3"))

/// Images and their results, all `[N, C, H, W]`.
struct Case {
  let name: String
  let inputs: [String: ONNXInterpreter.NDArray]
  var outputs: [String: ONNXInterpreter.NDArray]

  /// A random batch, with the results of our own evaluation.
  init(_ network: GatedSCNN, _ images: Int, _ height: Int, _ width: Int) {
    name = "\(images)x\(height)x\(width)"
    var random = RandomNumbers(named: name)
    let shape = Shape(images, height, width, 3)
    let image = Tensor(shape, dense: (0..<shape.pixels * 3).map { _ in Float(random.uniform(in: -2..<2)) })
    let canny = Tensor(
      shape.with(channels: 1), dense: (0..<shape.pixels).map { _ in random.uniform() > 0.8 ? 1 : 0 })
    let workers = WorkerPool(threads: 2)
    let output = network(image: image, canny: canny, in: Tape(.evaluation, workers: workers))
    inputs = ["image": image.channelsFirst, "canny": canny.channelsFirst]
    // Otherwise a wrong shape stream would not be noticed.
    let edges = output.edge.value.dense
    precondition(height < 20 || (edges.max() ?? 0) - (edges.min() ?? 0) > 0.1)
    outputs = ["logits": output.logits.value.channelsFirst, "edges": output.edge.value.channelsFirst]
  }

  /// Writes all arrays to a safetensors file.
  func write(to path: String) throws {
    try SafetensorsWriter.write(
      inputs.merging(outputs) { first, _ in first }.map { name, array in
        SafetensorsWriter.TensorRecord(name, .float32, array.shape) { bytes in
          array.values.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
      }, to: path)
  }
}

extension Tensor {
  var channelsFirst: ONNXInterpreter.NDArray {
    var array = ONNXInterpreter.NDArray([shape.images, shape.channels, shape.height, shape.width])
    var index = 0
    for image in 0..<shape.images {
      for channel in 0..<shape.channels {
        for pixel in 0..<shape.pixelsPerImage {
          array.values[index] = self.image(image)[pixel * shape.stride + channel]
          index += 1
        }
      }
    }
    return array
  }
}

extension ONNXInterpreter.NDArray {
  /// The largest difference from another array; if the other's largest magnitude is below 1, in units of that.
  func difference(from other: Self) -> Float {
    guard shape == other.shape else { return .infinity }
    let largest = min(1, other.values.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) })
    return zip(values, other.values).reduce(0) { abs($1.0 - $1.1) <= $0 ? $0 : abs($1.0 - $1.1) } / largest
  }
}
