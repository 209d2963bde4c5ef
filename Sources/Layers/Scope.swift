/// A place in the tree of names, in which a layer makes its parameters.
///
/// `Scope / "layer1" / 0 / "conv2"` leads to names that begin with `layer1.0.conv2.`
package struct Scope {
  package let store: ParameterStore
  let path: [String]

  package static func / (scope: Scope, name: String) -> Scope {
    Scope(store: scope.store, path: scope.path + [name])
  }

  package static func / (scope: Scope, index: Int) -> Scope { scope / String(index) }

  private func name(_ last: String) -> String { (path + [last]).joined(separator: ".") }

  /// The `weight` of a convolution.
  package func weight(kernel: Int, from inputs: Int, to outputs: Int, initial: Initializer? = nil) -> Parameter {
    let parameter = Parameter(
      name: name("weight"), form: .filter(kernel: kernel, inputs: inputs, outputs: outputs),
      initial: initial ?? .uniform(bound: 1 / Float(kernel * kernel * inputs).squareRoot()))
    store.register(parameter)
    return parameter
  }

  /// A vector of `count` learned numbers.
  package func vector(_ last: String, _ count: Int, initial: Initializer) -> Parameter {
    let parameter = Parameter(name: name(last), form: .vector(count), initial: initial)
    store.register(parameter)
    return parameter
  }

  /// A vector of `count` numbers that follow the batches.
  package func statistic(_ last: String, _ count: Int, initial: Float) -> RunningStatistic {
    let statistic = RunningStatistic(name: name(last), count: count, initial: initial)
    store.register(statistic)
    return statistic
  }

  package func counter(_ last: String) -> BatchCounter {
    let counter = BatchCounter(name: name(last))
    store.register(counter)
    return counter
  }
}
