import Tensors

/// The state of a network (PyTorch's `state_dict`): parameters and buffers, with PyTorch's names in PyTorch's order.
///
/// Layers register parameters through a `Scope`. Once the network is built, `allocate(seed:)` gives all parameters one
/// flat array and all running statistics another. The optimizer, checkpoints, hashes and the all-reduce then each go
/// over one array.
package final class ParameterStore {
  /// An entry of the state.
  package enum Entry {
    case parameter(Parameter)
    case statistic(RunningStatistic)
    case counter(BatchCounter)

    package var name: String {
      switch self {
      case .parameter(let parameter): parameter.name
      case .statistic(let statistic): statistic.name
      case .counter(let counter): counter.name
      }
    }
  }

  /// In order of registration, which is PyTorch's order.
  package private(set) var entries: [Entry] = []
  /// The trainable entries.
  package private(set) var parameters: [Parameter] = []
  /// The running means and variances.
  package private(set) var statistics: [RunningStatistic] = []
  package private(set) var counters: [BatchCounter] = []

  /// The flat array of all parameters, each at its `offset`; the gaps between them are zero.
  package private(set) var values = FloatSlice(count: 0)
  /// The flat array of all gradients, at the same offsets; empty until `allocateGradients()`.
  package private(set) var gradients = FloatSlice(count: 0)
  /// The flat array of all running statistics.
  package private(set) var running = FloatSlice(count: 0)
  /// The flat array of the statistics of the current batch, at the same offsets: sums over the groups that batch norm
  /// normalizes. Empty until `allocateBatchStatistics()`.
  package private(set) var batchStatistics = FloatSlice(count: 0)

  /// The scope of the whole network, with an empty prefix.
  package var root: Scope { Scope(store: self, path: []) }

  package init() {}

  /// Number of trainable floats.
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.layout.count } }

  func register(_ parameter: Parameter) {
    parameter.index = parameters.count
    parameters.append(parameter)
    entries.append(.parameter(parameter))
  }

  func register(_ statistic: RunningStatistic) {
    statistics.append(statistic)
    entries.append(.statistic(statistic))
  }

  func register(_ counter: BatchCounter) {
    counters.append(counter)
    entries.append(.counter(counter))
  }

  /// Allocates every entry. Called once, after all layers are registered.
  ///
  /// - Parameter seed: of the initial values; nil: parameters are zeros, to be loaded.
  package func allocate(seed: UInt64?) {
    values = Self.flatArray(parameters.map(\.layout.count)) { index, offset in parameters[index].offset = offset }
    running = Self.flatArray(statistics.map(\.count)) { index, offset in statistics[index].offset = offset }
    for parameter in parameters {
      parameter.value = FloatSlice(values.buffer, offset: parameter.offset, count: parameter.layout.count)
    }
    for statistic in statistics {
      statistic.value = FloatSlice(running.buffer, offset: statistic.offset, count: statistic.count)
      for index in 0..<statistic.count { statistic.value[index] = statistic.initial }
    }
    if let seed { initialize(seed: seed) }
  }

  /// Gives every parameter its initial values.
  ///
  /// - Parameter seed: of the random ones; a parameter's values depend only on the seed and its name.
  package func initialize(seed: UInt64) {
    for parameter in parameters { parameter.initial.fill(parameter, seed: seed) }
  }

  /// Allocates the gradients; needed for training only.
  package func allocateGradients() {
    guard gradients.count == 0 else { return }
    gradients = Self.flatArray(parameters.map(\.layout.count)) { _, _ in }
    for parameter in parameters {
      parameter.gradient = FloatSlice(gradients.buffer, offset: parameter.offset, count: parameter.layout.count)
    }
  }

  /// Allocates the statistics of the current batch; needed for training with batch norm over groups only.
  package func allocateBatchStatistics() {
    guard batchStatistics.count == 0 else { return }
    batchStatistics = Self.flatArray(statistics.map(\.count)) { _, _ in }
    for statistic in statistics {
      statistic.batch = FloatSlice(batchStatistics.buffer, offset: statistic.offset, count: statistic.count)
    }
  }

  /// Allocates a flat array of zeros for arrays of these lengths, each aligned to a cache line.
  private static func flatArray(_ counts: [Int], assign: (_ index: Int, _ offset: Int) -> Void) -> FloatSlice {
    var end = 0
    for (index, count) in counts.enumerated() {
      assign(index, end)
      end += count.roundedUp(toMultipleOf: 16)
    }
    let floats = FloatSlice(count: end)
    floats.buffer.clear()
    return floats
  }
}
