import GatedSCNN
import Layers
import System
import Tensors

/// The sizes that an exported network takes: nil for those known only when it runs.
package struct ONNXDimensions: Sendable, Equatable {
  package var batch: Int?
  package var height: Int?
  package var width: Int?

  package init(batch: Int? = nil, height: Int? = nil, width: Int? = nil) {
    self.batch = batch
    self.height = height
    self.width = width
  }

  /// The shape, `[N, C, H, W]`, of a value that has `shape` for an image of the size `traced`.
  ///
  /// Strides halve the size and round up, so that a value of 1/r of the image has ⌈H/r⌉ rows.
  func shape(of shape: Shape, traced: Size) -> [ONNXGraph.Dimension] {
    func side(_ size: Int, traced: Int, _ full: Int?, _ name: String) -> ONNXGraph.Dimension {
      if size == 1 { return .fixed(1) }
      let ratio = traced / size
      if let full { return .fixed(full.dividedRoundingUp(by: ratio)) }
      return .dynamic(ratio == 1 ? name : "ceil(\(name) / \(ratio))")
    }
    return [
      batch.map { .fixed($0) } ?? .dynamic("batch"), .fixed(shape.channels),
      side(shape.height, traced: traced.height, height, "height"),
      side(shape.width, traced: traced.width, width, "width"),
    ]
  }
}

/// Exports Gated-SCNN to ONNX: the network that `gscnn evaluate` runs, with batch norm folded into the convolutions.
package struct ONNXExport: Sendable {
  /// Of the classes, by train id.
  package let classes: [(name: String, color: [UInt8])]
  /// What normalizes the image, each of red, green and blue in 0…1: `(x − mean) / std`.
  package let mean: [Float]
  package let std: [Float]
  /// The thresholds of the Canny edges.
  package let canny: (low: Int, high: Int)
  /// Where the weights come from: names and values.
  package let identity: [String: String]
  package let producer: (name: String, version: String)

  package init(
    classes: [(name: String, color: [UInt8])], mean: [Float], std: [Float], canny: (low: Int, high: Int),
    identity: [String: String], producer: (name: String, version: String)
  ) {
    self.classes = classes
    self.mean = mean
    self.std = std
    self.canny = canny
    self.identity = identity
    self.producer = producer
  }

  /// The height and width of the traced image: its five resolutions (1, 1/2, 1/4, 1/8 and the pooled single pixel) differ.
  private static let tracedSide = 32

  /// - Parameters:
  ///   - network: shared, not copied; the model is written from its memory.
  ///   - source: the file of the weights, for errors.
  package func model(of network: GatedSCNN, dimensions: ONNXDimensions, source: String) -> ONNXModel {
    let trace = Trace()
    let side = Self.tracedSide
    let (image, canny) = (Tensor.zeros(Shape(1, side, side, 3)), Tensor.zeros(Shape(1, side, side, 1)))
    let inputs: [TraceLowering.NamedValue] = [(trace.value(of: image), "image"), (trace.value(of: canny), "canny")]
    let workers = WorkerPool(threads: 1)
    let output = network(image: image, canny: canny, in: Tape(.evaluation, workers: workers, trace: trace))
    let outputs: [TraceLowering.NamedValue] = [
      (trace.value(of: output.logits.value), "logits"), (trace.value(of: output.edge.value), "edges"),
    ]
    return ONNXModel(
      TraceLowering.graph(
        of: trace, named: "GatedSCNN", inputs: inputs, outputs: outputs, dimensions: dimensions, source: source),
      producer: producer, documentation: documentation(network.backboneType), metadata: metadata(network.backboneType))
  }

  private func documentation(_ backbone: Backbone) -> String {
    """
    Gated-SCNN on \(backbone.rawValue): semantic segmentation with a shape stream.
    Inputs: image, float32 [batch, 3, height, width], RGB, each value x of 0...255 as (x / 255 - mean) / std; \
    canny, float32 [batch, 1, height, width], Canny edges of the same 8-bit image, 0 or 1: \
    cv2.Canny(bgr, \(canny.low), \(canny.high)) / 255, where bgr has the channels as cv2.imread gives them.
    Outputs: logits, float32 [batch, \(classes.count), height, width], class scores before the softmax; \
    edges, float32 [batch, 1, height, width], boundary probability.
    """
  }

  private func metadata(_ backbone: Backbone) -> [String: String] {
    let own = [
      "backbone": backbone.rawValue,
      "classes": list(classes.map { JSON.quoted($0.name) }),
      "palette": list(classes.map { list($0.color) }),
      "mean": list(mean),
      "std": list(std),
      "canny": "\(canny.low) \(canny.high)",
    ]
    return own.merging(identity) { own, _ in own }
  }

  /// As a JSON array.
  private func list(_ values: [some CustomStringConvertible]) -> String {
    "[\(values.map(\.description).joined(separator: ", "))]"
  }
}
