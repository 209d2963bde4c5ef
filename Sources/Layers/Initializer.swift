import Tensors

/// The initial values of a parameter.
package enum Initializer: Sendable, Equatable {
  case constant(Float)
  /// Uniform in ± `bound`.
  case uniform(bound: Float)
  /// Normal with mean 0.
  case normal(standardDeviation: Float)

  /// PyTorch's default for a convolution: uniform within ± 1 / √fan_in (Kaiming uniform with a = √5).
  package static func uniform(fanIn: Int) -> Initializer { .uniform(bound: 1 / Float(fanIn).squareRoot()) }

  /// timm's choice for a ResNet: normal with variance 2 / fan_out (He et al., ICCV 2015).
  package static func kaimingNormalFanOut(kernel: Int, outputs: Int) -> Initializer {
    .normal(standardDeviation: (2 / Float(kernel * kernel * outputs)).squareRoot())
  }

  /// Fills `parameter`. The values depend only on the seed and the parameter's name.
  func fill(_ parameter: Parameter, seed: UInt64) {
    var random = RandomNumbers(seed, RandomNumbers.hash("initial values"), RandomNumbers.hash(parameter.name))
    let values = parameter.value
    switch self {
    case .constant(let constant):
      for index in 0..<values.count { values[index] = constant }
    case .uniform(let bound):
      for index in 0..<values.count { values[index] = bound * Float(random.uniform(in: -1..<1)) }
    case .normal(let standardDeviation):
      for index in 0..<values.count { values[index] = standardDeviation * random.normal() }
    }
  }
}
