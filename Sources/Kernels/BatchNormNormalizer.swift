import Microkernels
import Tensors

extension BatchNormKernel {
  /// What batch norm does to a channel: `y = z · scale + shift`, with `scale = γ / √(variance + ε)` and
  /// `shift = β − mean · scale`.
  package struct Normalizer: Sendable {
    package let channels: Int
    /// The mean that is subtracted, a number a channel.
    package let batchMean: [Double]
    /// The variance that is divided out: over all values, not over one less.
    package let batchVariance: [Double]

    // A number a channel, filled up with zeros to whole vectors; the single channel of a plane is repeated eight times.
    let scale: FloatSlice
    let shift: FloatSlice
    let mean: FloatSlice
    /// `1 / √(variance + ε)`, a number a channel.
    let inverseDeviation: [Double]

    /// What the loops read beside each pixel.
    var rows: NormalizerPointers { NormalizerPointers(scale: scale.start, shift: shift.start, mean: mean.start) }

    /// From statistics of the batch.
    ///
    /// - Parameters:
    ///   - sums: `[2C]`, each channel's sum of values and sum of squares, over all ranks that normalize together.
    ///   - count: values a channel, over the same ranks.
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

    /// The filter before it with this normalization folded in: each output times its scale. `bias` is what remains.
    package func folded(into filter: Filter, on workers: WorkerPool) -> Filter {
      precondition(filter.outputs == channels)
      let result = Filter(like: filter)
      let rows = filter.floats.count / channels
      let grain = max(1, 65_536 / channels)
      let zeros = FloatSlice([Float](repeating: 0, count: scale.count))
      if channels % 8 == 0 {
        workers.parallelFor((rows + grain - 1) / grain) { task, _ in
          let first = task * grain
          microkernels.normalize(
            filter.start + first * channels, rows: min(grain, rows - first), width: channels, scale: scale.start,
            shift: zeros.start, residual: nil, relu: false, into: result.start + first * channels, nonTemporal: false)
        }
      } else {
        for index in 0..<filter.floats.count { result.start[index] = filter.start[index] * scale[index % channels] }
      }
      return result
    }

    /// What normalization adds once its scale is folded into the weights, a number a channel.
    package var bias: FloatSlice { FloatSlice(shift.buffer, offset: shift.offset, count: channels) }

    /// The variance over one value less, as running statistics keep it; of a single value that of the batch.
    package func unbiasedVariance(count: Double) -> [Double] {
      batchVariance.map { count > 1 ? $0 * count / (count - 1) : $0 }
    }

    /// The row of floats that kernels read beside each pixel (or each eight pixels of a plane).
    static func row(_ values: [Double]) -> FloatSlice {
      if values.count == 1 { return FloatSlice([Float](repeating: Float(values[0]), count: 8)) }
      let padding = [Float](repeating: 0, count: -values.count & 7)
      return FloatSlice(values.map { Float($0) } + padding)
    }
  }
}
