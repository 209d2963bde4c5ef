import Tensors

/// The operations of one forward pass in evaluation, in their order: the network as a graph, from which it can be written
/// in another format.
///
/// A trace is recorded by running the network's own forward pass on an image, so that it cannot differ from what
/// `gscnn evaluate` computes. Sizes are those of that image; an operation that depends on a size refers to it by a value
/// of this size (`value(ofSize:)`). Choose an image with which different resolutions have different sizes.
package final class Trace {
  /// An index that stands for the result of an operation or an input of the network.
  package typealias Value = Int

  package enum Operation {
    case convolution(Convolution)
    /// Of the first input; the second, if there is one, is added to the result.
    case batchNorm(BatchNorm, relu: Bool)
    case relu
    case sigmoid
    /// Along the channels.
    case concatenate
    /// The first input times one plus the second, which has one channel.
    case gate
    case maxPool3x3
    /// `Tape.averagePool`.
    case averagePool2x2(stride: Int)
    case globalAveragePool
    /// Bilinear.
    case interpolate(to: Size, alignCorners: Bool)
  }

  package struct Node {
    package let operation: Operation
    package let inputs: [Value]
    package let output: Value
  }

  package private(set) var nodes: [Node] = []
  /// The shape of each value, for the image that was traced.
  package private(set) var shapes: [Shape] = []
  private var values: [ObjectIdentifier: Value] = [:]
  /// Kept, so that no two tensors have the same buffer, unless one was computed in place of the other.
  private var buffers: [Buffer] = []

  package init() {}

  /// The value of a tensor: what was last computed into its buffer, or an input of the network.
  package func value(of tensor: Tensor) -> Value {
    values[ObjectIdentifier(tensor.buffer)] ?? add(tensor)
  }

  /// The first value of this height and width.
  package func value(ofSize size: Size) -> Value? { shapes.firstIndex { $0.size == size } }

  func add(_ operation: Operation, _ inputs: [Tensor], _ output: Tensor) {
    let inputs = inputs.map(value(of:))
    nodes.append(Node(operation: operation, inputs: inputs, output: add(output)))
  }

  private func add(_ tensor: Tensor) -> Value {
    shapes.append(tensor.shape)
    buffers.append(tensor.buffer)
    values[ObjectIdentifier(tensor.buffer)] = shapes.count - 1
    return shapes.count - 1
  }
}

extension Tape {
  /// Adds an operation to the trace, if there is one.
  ///
  /// - Returns: `output`.
  func traced(_ operation: Trace.Operation, of inputs: [Activation], _ output: Activation) -> Activation {
    trace?.add(operation, inputs.map(\.value), output.value)
    return output
  }
}
