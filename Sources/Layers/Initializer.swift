import Tensors

/// What a parameter holds before the first step.
package enum Initializer: Sendable, Equatable {
  case constant(Float)
  /// Uniform in ± `bound`: PyTorch's default for a convolution, with `bound` = 1 / √fan_in.
  case uniform(bound: Float)
  /// Normal with mean 0: timm's choice for a backbone, with variance 2 / fan_out.
  case normal(deviation: Float)

  func fill(_ parameter: Parameter, seed: UInt64) {
    var random = RandomNumbers(seed, RandomNumbers.hash("initial values"), RandomNumbers.hash(parameter.name))
    let values = parameter.value
    switch self {
    case .constant(let constant):
      for index in 0..<values.count { values[index] = constant }
    case .uniform(let bound):
      for index in 0..<values.count { values[index] = bound * Float(random.uniformSymmetric()) }
    case .normal(let deviation):
      for index in 0..<values.count { values[index] = deviation * random.normal() }
    }
  }
}
