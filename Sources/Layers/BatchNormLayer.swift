import Kernels
import Tensors

/// Batch norm with the sum and the ReLU that follow it: `relu(γ·(z − μ)/√(σ² + ε) + β + residual)`.
///
/// The three are one operation because only `z` has to be kept for the backward pass: the output is made again from it and,
/// as asked, from the residual.
package struct BatchNorm {
  let gamma: Parameter
  let beta: Parameter
  let runningMean: RunningStatistic
  let runningVariance: RunningStatistic
  let counter: BatchCounter

  private static let epsilon = 1e-5
  private static let momentum = 0.1

  /// - Parameter gamma: the initial scale; 0 lets a residual block begin as the identity.
  package init(_ scope: Scope, channels: Int, gamma: Float = 1) {
    self.gamma = scope.vector("weight", channels, initial: .constant(gamma))
    beta = scope.vector("bias", channels, initial: .constant(0))
    runningMean = scope.statistic("running_mean", channels, initial: 0)
    runningVariance = scope.statistic("running_var", channels, initial: 1)
    counter = scope.counter("num_batches_tracked")
  }

  /// - Parameters:
  ///   - z: `[N, H, W, channels]`, in evaluation overwritten by the output where `inPlace` is set.
  ///   - residual: added before the ReLU; of the same shape.
  ///   - recompute: whether the backward pass has the sum with a residual made again from both, instead of keeping it.
  package func callAsFunction(
    _ z: Activation, plus residual: Activation? = nil, relu: Bool = true, inPlace: Bool = false,
    recompute: Bool = false, in tape: Tape
  ) -> Activation {
    let workers = tape.workers
    let profile = tape.profile
    guard tape.mode == .training else {
      let normalizer = fromRunningStatistics
      let value = profile.measure(.batchNorm) {
        BatchNormKernel.apply(normalizer, to: z.value, plus: residual?.value, relu: relu, inPlace: inPlace, on: workers)
      }
      return Activation(value)
    }

    let local = profile.measure(.batchNorm) { BatchNormKernel.sums(z.value, on: workers) }
    let (sums, count) = profile.measure(.communication) {
      summed(local, pixels: z.shape.pixels, over: tape.reduction)
    }
    let normalizer = BatchNormKernel.Normalizer(
      sums: sums, count: count, gamma: gamma.value, beta: beta.value, epsilon: Self.epsilon)
    follow(normalizer, count: count)
    let output = profile.measure(.batchNorm) {
      BatchNormKernel.apply(normalizer, to: z.value, plus: residual?.value, relu: relu, on: workers)
    }

    let kept =
      residual != nil && !recompute
      ? SavedTensor(output)
      : SavedTensor { [z = z.kept, residual = residual?.kept] in
        let (z, residual) = (z.value, residual?.value)
        return profile.measure(.batchNorm) {
          BatchNormKernel.apply(normalizer, to: z, plus: residual, relu: relu, on: workers)
        }
      }
    // Where the output was rectified after a sum, only the output itself tells which units were on.
    var mask = residual != nil && relu ? kept : nil
    let rectification: BatchNormKernel.ReLUMask = relu && mask == nil ? .recomputed : .none
    let reduction = tape.reduction
    return tape.output(
      .batchNorm, output, from: residual.map { [z, $0] } ?? [z], parameters: [gamma, beta], kept: kept
    ) { [input = z.kept, trace = z.trace, shortcut = residual?.trace] gradient in
      let input = input.value
      let (masked, local) = {
        let output = mask?.value
        return profile.measure(.batchNorm) { () -> (Tensor, BatchNormKernel.GradientSums) in
          if let output {
            return BatchNormKernel.maskedGradientSums(
              gradient, output: output, input, normalizer, inPlace: true, on: workers)
          }
          return (gradient, BatchNormKernel.gradientSums(gradient, input, normalizer, rectification, on: workers))
        }
      }()
      mask = nil
      beta.gradient.copy(local.beta)
      gamma.gradient.copy(local.gamma)
      var sums = local.sums
      profile.measure(.communication) { reduction.sum(&sums) }
      let inputGradient = profile.measure(.batchNorm) {
        BatchNormKernel.inputGradient(
          masked, input, normalizer, sums: sums, count: count, rectification, inPlace: shortcut == nil, on: workers)
      }
      shortcut?.add(masked, on: workers)
      trace?.add(inputGradient, on: workers)
    }
  }

  /// What evaluation normalizes with.
  var fromRunningStatistics: BatchNormKernel.Normalizer {
    BatchNormKernel.Normalizer(
      runningMean: runningMean.value, runningVariance: runningVariance.value, gamma: gamma.value, beta: beta.value,
      epsilon: Self.epsilon)
  }

  /// The sums and the number of values behind each, over all ranks.
  private func summed(
    _ local: [Double], pixels: Int, over reduction: any CrossReplicaSum
  ) -> (sums: [Double], count: Double) {
    var sums = local + [Double(pixels)]
    reduction.sum(&sums)
    let count = sums.removeLast()
    return (sums, count)
  }

  /// Moves the running statistics a tenth of the way to the batch's, the variance being the unbiased one (as PyTorch does).
  private func follow(_ normalizer: BatchNormKernel.Normalizer, count: Double) {
    let variance = normalizer.unbiasedVariance(count: count)
    for channel in 0..<runningMean.count {
      runningMean.value[channel] = Self.moved(runningMean.value[channel], to: normalizer.batchMean[channel])
      runningVariance.value[channel] = Self.moved(runningVariance.value[channel], to: variance[channel])
    }
    counter.value += 1
  }

  private static func moved(_ running: Float, to batch: Double) -> Float {
    Float((1 - momentum) * Double(running) + momentum * batch)
  }
}

/// A convolution without bias, batch norm, and as asked the sum with a shortcut and ReLU.
package struct ConvBNReLU {
  package let convolution: Convolution
  package let norm: BatchNorm

  package init(
    _ convolution: Scope, norm: Scope, from inputs: Int, to outputs: Int, kernel: Int = 1, stride: Int = 1,
    dilation: Int = 1, initial: Initializer? = nil, gamma: Float = 1
  ) {
    self.convolution = Convolution(
      convolution, from: inputs, to: outputs, kernel: kernel, stride: stride, dilation: dilation, initial: initial)
    self.norm = BatchNorm(norm, channels: outputs, gamma: gamma)
  }

  /// - Parameter recompute: whether the backward pass has the sum with a residual made again instead of keeping it.
  package func callAsFunction(
    _ x: Activation, plus residual: Activation? = nil, relu: Bool = true, recompute: Bool = false, in tape: Tape
  ) -> Activation {
    if tape.mode == .evaluation && convolution.foldable {
      return convolution.folded(norm.fromRunningStatistics, x, plus: residual, relu: relu, in: tape)
    }
    return norm(convolution(x, in: tape), plus: residual, relu: relu, inPlace: true, recompute: recompute, in: tape)
  }
}
