import Tensors

/// Numbers that are learned: the weights of a convolution, a bias, the scale of a batch norm.
package final class Parameter {
  /// PyTorch's name, `shape_stream.gate1.weight`.
  package let name: String
  package let form: Form
  package let initial: Initializer
  /// Where its floats stand in the arenas of its store, and its place among the store's parameters.
  package internal(set) var offset = 0
  package internal(set) var index = 0
  package internal(set) var value = FloatSlice(count: 0)
  /// What the last backward pass found; empty until `ParameterStore.allocateGradients()`.
  package internal(set) var gradient = FloatSlice(count: 0)

  /// The name of the layer that it belongs to, `shape_stream.gate1`.
  package var layer: String { name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }

  /// How the floats are arranged.
  package enum Form: Sendable, Equatable {
    /// `[kernel, kernel, inputs, outputs]` here, `[outputs, inputs, kernel, kernel]` in PyTorch.
    case filter(kernel: Int, inputs: Int, outputs: Int)
    /// `[count]` here and there.
    case vector(Int)

    package var count: Int {
      switch self {
      case .filter(let kernel, let inputs, let outputs): kernel * kernel * inputs * outputs
      case .vector(let count): count
      }
    }

    /// PyTorch's shape.
    package var shape: [Int] {
      switch self {
      case .filter(let kernel, let inputs, let outputs): [outputs, inputs, kernel, kernel]
      case .vector(let count): [count]
      }
    }
  }

  init(name: String, form: Form, initial: Initializer) {
    self.name = name
    self.form = form
    self.initial = initial
  }

  /// The value as the weights of a convolution.
  package var filter: Filter { view(value) }

  /// The gradient in the arrangement of `filter`.
  package var filterGradient: Filter { view(gradient) }

  private func view(_ floats: FloatSlice) -> Filter {
    guard case .filter(let kernel, let inputs, let outputs) = form else {
      preconditionFailure("\(name) is a vector, not the weights of a convolution")
    }
    return Filter(kernel: kernel, inputs: inputs, outputs: outputs, floats)
  }
}

/// Numbers that are not learned but followed: the running mean or variance of a batch norm.
package final class RunningStatistic {
  /// PyTorch's name, `….running_mean`.
  package let name: String
  package let initial: Float
  package let count: Int
  package internal(set) var offset = 0
  package internal(set) var value = FloatSlice(count: 0)

  init(name: String, count: Int, initial: Float) {
    self.name = name
    self.count = count
    self.initial = initial
  }
}

/// PyTorch's `num_batches_tracked`.
package final class BatchCounter {
  package let name: String
  package var value: Int64 = 0

  init(name: String) { self.name = name }
}
