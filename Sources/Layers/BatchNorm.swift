import Kernels
import System
import Tensors

/// Batch norm, fused with an optional residual sum and ReLU: `relu(γ·(z − μ)/√(σ² + ε) + β + residual)`.
///
/// In training, μ and σ² are those of the global batch (synchronized batch norm), unless `Tape.crossReplicaSum` is
/// local, or those of each group of images, if there are `Tape.batchNormGroups`. Of the three operations only `z` and the
/// batch statistics are saved: the backward pass recomputes the output from them and the residual, without communication.
package struct BatchNorm {
  package let gamma: Parameter
  let beta: Parameter
  let runningMean: RunningStatistic
  let runningVariance: RunningStatistic
  let numBatchesTracked: BatchCounter

  private static let epsilon = 1e-5
  private static let momentum = 0.1

  /// - Parameter gamma: the initial scale; 0 makes a residual block start as the identity.
  package init(_ scope: Scope, channels: Int, gamma: Float = 1) {
    self.gamma = scope.vector("weight", channels, initial: .constant(gamma))
    beta = scope.vector("bias", channels, initial: .constant(0))
    runningMean = scope.statistic("running_mean", channels, initial: 0)
    runningVariance = scope.statistic("running_var", channels, initial: 1)
    numBatchesTracked = scope.counter("num_batches_tracked")
  }

  /// - Parameters:
  ///   - z: `[N, H, W, channels]`.
  ///   - residual: added before the ReLU; of the same shape.
  ///   - inPlace: whether evaluation overwrites `z` with the output; `z` must have no other user.
  ///   - recompute: whether the backward pass recomputes a residual sum instead of storing it. An output without a
  ///     residual is always recomputed.
  /// - Returns: `[N, H, W, channels]`
  package func callAsFunction(
    _ z: Activation, plus residual: Activation? = nil, relu: Bool = true, inPlace: Bool = false,
    recompute: Bool = false, in tape: Tape
  ) -> Activation {
    let workers = tape.workers
    let profile = tape.profile
    guard tape.mode == .training else {
      let normalizer = runningNormalizer
      let value = profile.measure(.batchNorm) {
        BatchNormKernel.apply(normalizer, to: z.value, plus: residual?.value, relu: relu, inPlace: inPlace, on: workers)
      }
      return tape.traced(
        .batchNorm(self, relu: relu), of: residual.map { [z, $0] } ?? [z], Activation(value))
    }

    let groups = tape.batchNormGroups ?? 1
    let localSums = profile.measure(.batchNorm) { BatchNormKernel.sums(z.value, groups: groups, on: workers) }
    let (sums, count) = profile.measure(.communication) {
      allReduce(localSums, pixels: z.shape.pixels / groups, with: tape.crossReplicaSum)
    }
    let normalizers = sums.map {
      BatchNormKernel.Normalizer(
        sums: $0, count: count, gamma: gamma.value, beta: beta.value, epsilon: Self.epsilon)
    }
    if tape.batchNormGroups == nil {
      updateRunningStatistics(normalizers[0], count: count)
    } else {
      keepStatistics(of: normalizers, count: count)
    }
    let output = profile.measure(.batchNorm) {
      BatchNormKernel.apply(normalizers, to: z.value, plus: residual?.value, relu: relu, on: workers)
    }

    let saved =
      residual != nil && !recompute
      ? SavedTensor(output)
      : SavedTensor { [z = z.saved, residual = residual?.saved] in
        let (z, residual) = (z.value, residual?.value)
        return profile.measure(.batchNorm) {
          BatchNormKernel.apply(normalizers, to: z, plus: residual, relu: relu, on: workers)
        }
      }
    // The ReLU mask: after a residual sum, only the output itself tells which units were positive.
    var savedOutput = residual != nil && relu ? saved : nil
    let reluMask: BatchNormKernel.ReLUMask = relu && savedOutput == nil ? .recomputed : .none
    let crossReplicaSum = tape.crossReplicaSum
    return tape.record(
      .batchNorm, output, from: residual.map { [z, $0] } ?? [z], parameters: [gamma, beta], saved: saved
    ) { [input = z.saved, inputGradient = z.gradient, residualGradient = residual?.gradient] gradient in
      let input = input.value
      let (masked, local) = {
        let output = savedOutput?.value
        return profile.measure(.batchNorm) { () -> (Tensor, BatchNormKernel.GradientSums) in
          if let output {
            return BatchNormKernel.maskedGradientSums(
              gradient, output: output, input, normalizers, inPlace: true, on: workers)
          }
          return (gradient, BatchNormKernel.gradientSums(gradient, input, normalizers, reluMask, on: workers))
        }
      }()
      savedOutput = nil
      beta.gradient.copy(from: local.beta)
      gamma.gradient.copy(from: local.gamma)
      let sums = profile.measure(.communication) { crossReplicaSum.sums(local.sums) }
      let dz = profile.measure(.batchNorm) {
        BatchNormKernel.inputGradient(
          masked, input, normalizers, sums: sums, count: count, reluMask, inPlace: residualGradient == nil,
          on: workers)
      }
      residualGradient?.add(masked, on: workers)
      inputGradient?.add(dz, on: workers)
    }
  }

  /// The normalizer of evaluation, from the running statistics.
  var runningNormalizer: BatchNormKernel.Normalizer {
    BatchNormKernel.Normalizer(
      runningMean: runningMean.value, runningVariance: runningVariance.value, gamma: gamma.value, beta: beta.value,
      epsilon: Self.epsilon)
  }

  /// Evaluation as an affine map of each channel, `y = scale · z + shift`.
  package var affineMap: (scale: [Double], shift: [Double]) {
    let scale = (0..<gamma.value.count).map {
      Double(gamma.value[$0]) / (Double(runningVariance.value[$0]) + Self.epsilon).squareRoot()
    }
    let shift = scale.indices.map { Double(beta.value[$0]) - Double(runningMean.value[$0]) * scale[$0] }
    return (scale, shift)
  }

  /// Sums the local sums of each group, and the number of pixels of a group, over the ranks that normalize together, in
  /// one all-reduce.
  private func allReduce(
    _ localSums: [[Double]], pixels: Int, with crossReplicaSum: any CrossReplicaSum
  ) -> (sums: [[Double]], count: Double) {
    var sums = crossReplicaSum.sums(localSums + [[Double(pixels)]])
    let count = sums.removeLast()[0]
    return (sums, count)
  }

  /// Updates the exponential moving averages, with the unbiased variance of the batch (as PyTorch does).
  private func updateRunningStatistics(_ normalizer: BatchNormKernel.Normalizer, count: Double) {
    let variance = normalizer.unbiasedVariance(count: count)
    for channel in 0..<runningMean.count {
      runningMean.value[channel] = Self.movingAverage(runningMean.value[channel], normalizer.batchMean[channel])
      runningVariance.value[channel] = Self.movingAverage(runningVariance.value[channel], variance[channel])
    }
    numBatchesTracked.value += 1
  }

  /// Keeps the sums of the statistics of this rank's groups for `ParameterStore.updateRunningStatistics`.
  private func keepStatistics(of normalizers: [BatchNormKernel.Normalizer], count: Double) {
    BatchNormKernel.Normalizer.sumStatistics(
      of: normalizers, count: count, mean: runningMean.batch, variance: runningVariance.batch)
    numBatchesTracked.value += 1
  }

  fileprivate static func movingAverage(_ running: Float, _ batch: Double) -> Float {
    Float((1 - momentum) * Double(running) + momentum * batch)
  }
}

extension ParameterStore {
  /// Updates all running statistics with the mean over the groups of a global batch, once the ranks have summed
  /// `batchStatistics` over the groups.
  ///
  /// - Parameter groups: those of the global batch.
  package func updateRunningStatistics(groups: Int) {
    for index in 0..<running.count {
      running[index] = BatchNorm.movingAverage(running[index], Double(batchStatistics[index]) / Double(groups))
    }
  }
}
