import Tensors

/// Everything a network keeps between steps, in PyTorch's order and under PyTorch's names.
///
/// Layers register what they need through a `Scope`. When the network stands, `allocate()` gives all parameters one run of memory and all
/// running statistics another, so that an optimizer, a checkpoint, a digest or an all-reduce goes over one array.
package final class ParameterStore {
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

  /// In the order of registration, which is PyTorch's order.
  package private(set) var entries: [Entry] = []
  /// The learned ones among them.
  package private(set) var parameters: [Parameter] = []
  package private(set) var statistics: [RunningStatistic] = []

  /// All parameters, each from its `offset`; the gaps between them are zero.
  package private(set) var values = FloatSlice(count: 0)
  /// All gradients, at the same offsets; empty until `allocateGradients()`.
  package private(set) var gradients = FloatSlice(count: 0)
  /// All running statistics.
  package private(set) var running = FloatSlice(count: 0)

  /// The scope from which all names begin.
  package var root: Scope { Scope(store: self, path: []) }

  package init() {}

  /// Learnt numbers.
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.form.count } }

  func register(_ parameter: Parameter) {
    parameter.index = parameters.count
    parameters.append(parameter)
    entries.append(.parameter(parameter))
  }

  func register(_ statistic: RunningStatistic) {
    statistics.append(statistic)
    entries.append(.statistic(statistic))
  }

  func register(_ counter: BatchCounter) { entries.append(.counter(counter)) }

  /// Gives every entry its memory and its initial value. Called once, when all layers are made.
  ///
  /// - Parameter seed: chooses the random initial values; those of a parameter depend on the seed and its name alone.
  package func allocate(seed: UInt64) {
    values = Self.arena(parameters.map(\.form.count)) { index, offset in parameters[index].offset = offset }
    running = Self.arena(statistics.map(\.count)) { index, offset in statistics[index].offset = offset }
    for parameter in parameters {
      parameter.value = FloatSlice(values.buffer, offset: parameter.offset, count: parameter.form.count)
      parameter.initial.fill(parameter, seed: seed)
    }
    for statistic in statistics {
      statistic.value = FloatSlice(running.buffer, offset: statistic.offset, count: statistic.count)
      for index in 0..<statistic.count { statistic.value[index] = statistic.initial }
    }
  }

  /// Makes room for gradients, which evaluation does without.
  package func allocateGradients() {
    guard gradients.count == 0 else { return }
    gradients = Self.arena(parameters.map(\.form.count)) { _, _ in }
    for parameter in parameters {
      parameter.gradient = FloatSlice(gradients.buffer, offset: parameter.offset, count: parameter.form.count)
    }
  }

  /// One run of memory for runs of these lengths, each beginning on a cache line.
  private static func arena(_ counts: [Int], place: (_ index: Int, _ offset: Int) -> Void) -> FloatSlice {
    var end = 0
    for (index, count) in counts.enumerated() {
      place(index, end)
      end += (count + 15) & ~15
    }
    let floats = FloatSlice(count: end)
    floats.buffer.clear()
    return floats
  }
}
