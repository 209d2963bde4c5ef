import Kernels
import Layers
import Tensors

/// The optimizer: stochastic gradient descent with momentum and weight decay (`torch.optim.SGD`), with parameter groups,
/// clipping (`torch.nn.utils.clip_grad_norm_`) and LARS.
///
/// All ranks have the same gradients, and sums over them in one order: each rank computes the same update.
package final class SGD {
  package let momentum: Float
  package let weightDecay: Float
  package let options: OptimizerOptions
  /// The momentum buffer of every parameter, at the parameter's offset in the store.
  package let velocities: FloatSlice

  private let store: ParameterStore
  /// Neighboring parameters of one group; with LARS, a tensor each.
  private let groups: [Group]

  private struct Group: Equatable {
    var floats: Range<Int>
    let rateFactor: Double
    let weightDecay: Float
    /// Whether LARS scales its gradient.
    let isScaled: Bool

    func isLike(_ other: Group) -> Bool {
      !isScaled && !other.isScaled && rateFactor == other.rateFactor && weightDecay == other.weightDecay
    }
  }

  package init(
    _ store: ParameterStore, momentum: Float = 0.9, weightDecay: Float = 1e-4,
    _ options: OptimizerOptions = OptimizerOptions()
  ) {
    self.store = store
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.options = options
    velocities = FloatSlice(count: store.values.count)
    velocities.buffer.clear()
    groups = Self.groups(of: store, weightDecay: weightDecay, options)
  }

  /// The parameters in their order, which is that of the flat arrays. A group includes the zeros behind each of its
  /// parameters.
  private static func groups(
    of store: ParameterStore, weightDecay: Float, _ options: OptimizerOptions
  ) -> [Group] {
    let norms = Set(store.statistics.map { $0.name.split(separator: ".").dropLast().joined(separator: ".") })
    var groups: [Group] = []
    for (index, parameter) in store.parameters.enumerated() {
      let end = index + 1 < store.parameters.count ? store.parameters[index + 1].offset : store.values.count
      let isNorm = norms.contains(parameter.layer)
      let isUndecayed =
        isNorm && options.noDecay.contains(.norm)
        || parameter.name.hasSuffix(".bias") && options.noDecay.contains(.bias)
      let group = Group(
        floats: parameter.offset..<end,
        rateFactor: parameter.name.hasPrefix(backbonePrefix) ? options.backboneFactor : options.headFactor,
        weightDecay: isUndecayed ? 0 : weightDecay, isScaled: options.rule == .lars && !isUndecayed && weightDecay > 0)
      if let last = groups.last, last.isLike(group) {
        groups[groups.count - 1].floats = last.floats.lowerBound..<end
      } else {
        groups.append(group)
      }
    }
    return groups
  }

  /// The prefix of the backbone's parameters; those of all other layers are the head's.
  private static let backbonePrefix = "regular_stream."

  /// The norm of all gradients, times a scale; not finite exactly if one of them is not.
  package func gradientNorm(scale: Float = 1, on workers: WorkerPool) -> Double {
    let sums = SquareSums.of(store.gradients, over: store.parameters.map(\.extent), on: workers)
    return sums.reduce(0, +).squareRoot() * Double(scale)
  }

  /// Updates every parameter from its gradient.
  ///
  /// - Parameters:
  ///   - gradientScale: of all gradients.
  ///   - gradientNorm: that of the scaled gradients, which clipping needs; `nil`: computed if it does.
  /// - Returns: whether all parameters and velocities are finite after it.
  @discardableResult
  package func step(
    learningRate: Double, gradientScale: Float = 1, gradientNorm: Double? = nil, on workers: WorkerPool
  ) -> Bool {
    var scale = gradientScale
    if let clipNorm = options.clipNorm {
      let norm = gradientNorm ?? self.gradientNorm(scale: gradientScale, on: workers)
      // As PyTorch: 10⁻⁶ keeps the factor finite.
      scale *= Float(min(1, clipNorm / (norm + 1e-6)))
    }
    let trusts = trustRatios(scale: scale, on: workers)
    let parts = zip(groups, trusts).map { group, trust in
      SGDKernel.Part(
        floats: group.floats, gradientScale: scale * trust,
        learningRate: Float(group.rateFactor == 1 ? learningRate : learningRate * group.rateFactor),
        weightDecay: group.weightDecay * trust)
    }
    return SGDKernel.step(
      store.values, gradients: store.gradients, velocities: velocities, momentum: momentum, parts: parts, on: workers)
  }

  /// The factor of each group's gradient, weight decay included: with LARS η · ‖w‖ / (‖g‖ + weightDecay · ‖w‖), or 1 if
  /// a norm is 0; else 1.
  private func trustRatios(scale: Float, on workers: WorkerPool) -> [Float] {
    guard groups.contains(where: \.isScaled) else { return groups.map { _ in 1 } }
    func norms(_ floats: FloatSlice) -> [Double] {
      SquareSums.of(floats, over: groups.map(\.floats), on: workers).map { $0.squareRoot() }
    }
    let (weights, gradients) = (norms(store.values), norms(store.gradients))
    return groups.indices.map { index in
      let (weight, gradient) = (weights[index], gradients[index] * Double(scale))
      guard groups[index].isScaled, weight > 0, gradient > 0 else { return 1 }
      return Float(options.trustCoefficient * weight / (gradient + Double(groups[index].weightDecay) * weight))
    }
  }
}
