import Microkernels
import Tensors

extension BatchNormKernel {
  /// The affine map that batch norm applies to each channel: `y = z · scale + shift`, with
  /// `scale = γ / √(variance + ε)` and `shift = β − mean · scale`.
  package struct Normalizer: Sendable {
    package let channels: Int
    /// The mean of each channel.
    package let batchMean: [Double]
    /// The biased variance of each channel: the divisor is the number of values.
    package let batchVariance: [Double]

    // One number per channel, padded with zeros to whole vectors; a single channel is repeated eight times.
    let scale: FloatSlice
    let shift: FloatSlice
    let mean: FloatSlice
    /// `1 / √(variance + ε)` of each channel.
    let inverseDeviation: [Double]

    /// The rows that microkernels read beside each pixel.
    var rows: NormalizerPointers { NormalizerPointers(scale: scale.start, shift: shift.start, mean: mean.start) }

    /// From statistics of the batch.
    ///
    /// - Parameters:
    ///   - sums: `[2C]`, each channel's sum of values and sum of squares, over all ranks that normalize together.
    ///   - count: values per channel, over the same ranks.
    package init(sums: [Double], count: Double, gamma: FloatSlice, beta: FloatSlice, epsilon: Double = 1e-5) {
      let channels = gamma.count
      precondition(sums.count == 2 * channels && count > 0)
      let mean = (0..<channels).map { sums[$0] / count }
      let variance = (0..<channels).map { max(0, sums[channels + $0] / count - mean[$0] * mean[$0]) }
      self.init(mean: mean, variance: variance, gamma: gamma, beta: beta, epsilon: epsilon)
    }

    /// From running statistics, as in evaluation.
    package init(
      runningMean: FloatSlice, runningVariance: FloatSlice, gamma: FloatSlice, beta: FloatSlice, epsilon: Double = 1e-5
    ) {
      self.init(
        mean: runningMean.values.map { Double($0) }, variance: runningVariance.values.map { Double($0) },
        gamma: gamma, beta: beta, epsilon: epsilon)
    }

    private init(mean: [Double], variance: [Double], gamma: FloatSlice, beta: FloatSlice, epsilon: Double) {
      let channels = mean.count
      precondition(gamma.count == channels && beta.count == channels && variance.count == channels)
      let inverseDeviation = variance.map { 1 / ($0 + epsilon).squareRoot() }
      self.channels = channels
      batchMean = mean
      batchVariance = variance
      self.inverseDeviation = inverseDeviation
      self.mean = Self.row(mean)
      scale = Self.row((0..<channels).map { Double(gamma[$0]) * inverseDeviation[$0] })
      shift = Self.row((0..<channels).map { Double(beta[$0]) - mean[$0] * Double(gamma[$0]) * inverseDeviation[$0] })
    }

    /// The filter of the convolution before it with this normalization folded in: each output times its scale. What
    /// remains is `bias`.
    package func folded(into filter: Filter, on workers: WorkerPool) -> Filter {
      precondition(filter.outputs == channels)
      let result = Filter(like: filter)
      let rows = filter.floats.count / channels
      let zeros = FloatSlice([Float](repeating: 0, count: scale.count))
      if channels % 8 == 0 {
        let microkernels = workers.microkernels
        workers.forEachChunk(of: rows, grain: max(1, 65_536 / channels)) { rows, _ in
          let first = rows.lowerBound * channels
          microkernels.normalize(
            ElementPointer(filter.start + first), rows: rows.count, width: channels, scale: scale.start,
            shift: zeros.start,
            residual: nil, relu: false, into: ElementPointer(result.start + first), nonTemporal: false)
        }
      } else {
        for index in 0..<filter.floats.count { result.start[index] = filter.start[index] * scale[index % channels] }
      }
      return result
    }

    /// What normalization adds to each channel once its scale is folded into the weights.
    package var bias: FloatSlice { FloatSlice(shift.buffer, offset: shift.offset, count: channels) }

    /// The unbiased variance (divisor `count − 1`), which running statistics store; of a single value the biased one.
    package func unbiasedVariance(count: Double) -> [Double] {
      batchVariance.map { count > 1 ? $0 * count / (count - 1) : $0 }
    }

    /// Sums of the means and of the unbiased variances of groups of `count` values, rounded as by ranks that hold one
    /// group each.
    ///
    /// - Parameters:
    ///   - mean: receives the sum of the means, `[C]`.
    ///   - variance: receives that of the variances, `[C]`.
    package static func sumStatistics(
      of groups: [Normalizer], count: Double, mean: FloatSlice, variance: FloatSlice
    ) {
      ChannelSums.joined(groups.map(\.batchMean), into: mean)
      ChannelSums.joined(groups.map { $0.unbiasedVariance(count: count) }, into: variance)
    }

    /// The row of floats that microkernels read beside each pixel (or beside eight pixels of a single channel).
    static func row(_ values: [Double]) -> FloatSlice {
      if values.count == 1 { return FloatSlice([Float](repeating: Float(values[0]), count: 8)) }
      let padding = [Float](repeating: 0, count: values.count.roundedUp(toMultipleOf: 8) - values.count)
      return FloatSlice(values.map { Float($0) } + padding)
    }
  }
}
