import Tensors

/// A trainable parameter: the weights of a convolution, a bias, the scale of a batch norm.
package final class Parameter {
  /// PyTorch's name, `shape_stream.gate1.weight`.
  package let name: String
  package let layout: Layout
  package let initial: Initializer
  /// Index of its first float in the flat arrays of its store.
  package internal(set) var offset = 0
  /// Index among the store's parameters.
  package internal(set) var index = 0
  package internal(set) var value = FloatSlice(count: 0)
  /// The gradient of the last backward pass; empty until `ParameterStore.allocateGradients()`.
  package internal(set) var gradient = FloatSlice(count: 0)

  /// Its range in the flat arrays of its store.
  package var extent: Range<Int> { offset..<offset + layout.count }

  /// The name of the layer that it belongs to, `shape_stream.gate1`.
  package var layer: String { name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }

  /// Shape and memory layout.
  package enum Layout: Sendable, Equatable {
    /// `[kernel, kernel, inputs, outputs]` in memory, `[outputs, inputs, kernel, kernel]` in PyTorch.
    case filter(kernel: Int, inputs: Int, outputs: Int)
    /// `[count]` in both.
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

  init(name: String, layout: Layout, initial: Initializer) {
    self.name = name
    self.layout = layout
    self.initial = initial
  }

  /// The value as the weights of a convolution.
  package var filter: Filter { view(value) }

  /// The gradient in the layout of `filter`.
  package var filterGradient: Filter { view(gradient) }

  private func view(_ floats: FloatSlice) -> Filter {
    guard case .filter(let kernel, let inputs, let outputs) = layout else {
      preconditionFailure("\(name) is a vector, not the weights of a convolution")
    }
    return Filter(kernel: kernel, inputs: inputs, outputs: outputs, floats)
  }
}

/// A non-trainable buffer: the running mean or variance of a batch norm (PyTorch's `running_mean`, `running_var`).
package final class RunningStatistic {
  /// PyTorch's name, `….running_mean`.
  package let name: String
  package let initial: Float
  package let count: Int
  /// Index of its first float in the store's flat array of statistics.
  package internal(set) var offset = 0
  package internal(set) var value = FloatSlice(count: 0)
  /// The sum over the groups of the current batch; empty until `ParameterStore.allocateBatchStatistics()`.
  package internal(set) var batch = FloatSlice(count: 0)

  init(name: String, count: Int, initial: Float) {
    self.name = name
    self.count = count
    self.initial = initial
  }
}

/// A non-trainable buffer: the number of batches that a batch norm has seen (PyTorch's `num_batches_tracked`).
package final class BatchCounter {
  /// PyTorch's name, `….num_batches_tracked`.
  package let name: String
  package var value: Int64 = 0

  init(name: String) { self.name = name }
}
