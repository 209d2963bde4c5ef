/// A prefix of parameter names (a module path), under which a layer registers its parameters.
///
/// `Scope / "layer1" / 0 / "conv2"` registers names that begin with `layer1.0.conv2.`
package struct Scope {
  package let store: ParameterStore
  let path: [String]

  package static func / (scope: Scope, name: String) -> Scope {
    Scope(store: scope.store, path: scope.path + [name])
  }

  package static func / (scope: Scope, index: Int) -> Scope { scope / String(index) }

  private func name(_ last: String) -> String { (path + [last]).joined(separator: ".") }

  /// Registers the `weight` of a convolution.
  ///
  /// - Parameter initial: PyTorch's default, unless given.
  package func weight(kernel: Int, from inputs: Int, to outputs: Int, initial: Initializer? = nil) -> Parameter {
    let parameter = Parameter(
      name: name("weight"), layout: .filter(kernel: kernel, inputs: inputs, outputs: outputs),
      initial: initial ?? .uniform(fanIn: kernel * kernel * inputs))
    store.register(parameter)
    return parameter
  }

  /// Registers a trainable vector of `count` numbers.
  package func vector(_ last: String, _ count: Int, initial: Initializer) -> Parameter {
    let parameter = Parameter(name: name(last), layout: .vector(count), initial: initial)
    store.register(parameter)
    return parameter
  }

  /// Registers a running statistic of `count` channels.
  package func statistic(_ last: String, _ count: Int, initial: Float) -> RunningStatistic {
    let statistic = RunningStatistic(name: name(last), count: count, initial: initial)
    store.register(statistic)
    return statistic
  }

  /// Registers a batch counter, which begins at 0.
  package func counter(_ last: String) -> BatchCounter {
    let counter = BatchCounter(name: name(last))
    store.register(counter)
    return counter
  }
}
