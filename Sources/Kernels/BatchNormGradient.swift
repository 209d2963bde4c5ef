import Microkernels
import Tensors

/// The backward pass through batch norm. With g the gradient of what the normalization alone gives, that of y where ReLU
/// let it through, x̂ the normalized values and M their number a channel:
///
///     dβ = Σ g        dγ = Σ g · x̂        dz = scale · (g − dβ / M − x̂ · dγ / M)
extension BatchNormKernel {
  /// What ReLU let through.
  package enum Rectification: Sendable {
    /// There was no ReLU, or the gradient has been masked already.
    case none
    /// ReLU followed at once: what was negative is computed again from z.
    case recomputed
    /// ReLU followed the sum with a shortcut: its output y, `[N, H, W, C]`, is zero where nothing passes.
    case output(Tensor)

    /// Where in the output of ReLU a run lies is for `place` to say.
    fileprivate func mask(_ place: (Tensor) -> UnsafeMutablePointer<Float>) -> GradientMask {
      switch self {
      case .none: .all
      case .recomputed: .recomputed
      case .output(let y): .output(place(y))
      }
    }
  }

  /// Sums over the images of this rank.
  package struct GradientSums: Sendable {
    /// Each channel's Σ g, then each channel's Σ g · x̂, `[2C]`: to be added over the ranks that normalize together.
    package let sums: [Double]
    /// This rank's part of the gradients of γ and β. Rounded image by image and joined in single precision, as
    /// ranks join theirs: the same images on more ranks give the same bits.
    package let gamma: FloatSlice
    package let beta: FloatSlice

    fileprivate init(_ images: [[Double]], channels: Int) {
      sums = PairwiseSum.total(images)
      gamma = FloatSlice(count: channels)
      beta = FloatSlice(count: channels)
      ChannelSums.joined(images.map { Array($0[..<channels]) }, into: beta)
      ChannelSums.joined(images.map { Array($0[channels...]) }, into: gamma)
    }
  }

  /// The sums that the gradients of γ, β and z need.
  ///
  /// - Parameters:
  ///   - dy: gradient of the output, `[N, H, W, C]`.
  ///   - z: what was normalized, of the same shape.
  package static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normalizer: Normalizer, _ rectification: Rectification, on workers: WorkerPool
  ) -> GradientSums {
    precondition(dy.shape == z.shape && normalizer.channels == z.shape.channels)
    return gradientSums(dy, z, normalizer, rectification, masked: nil, on: workers)
  }

  /// The gradient masked by the output y of a ReLU that followed the sum with a shortcut (it is the gradient of the
  /// shortcut as well), and the sums over it, in one pass.
  ///
  /// - Parameter inPlace: whether the masked gradient takes the memory of `dy`.
  package static func maskedGradientSums(
    _ dy: Tensor, output y: Tensor, _ z: Tensor, _ normalizer: Normalizer, inPlace: Bool = false,
    on workers: WorkerPool
  ) -> (masked: Tensor, sums: GradientSums) {
    precondition(dy.shape == z.shape && y.shape == z.shape && normalizer.channels == z.shape.channels)
    if z.shape.channels == 1 {
      let masked = masked(dy, output: y, inPlace: inPlace, on: workers)
      return (masked, gradientSums(masked, z, normalizer, .none, masked: nil, on: workers))
    }
    let masked = inPlace ? dy : Tensor(dy.shape)
    return (masked, gradientSums(dy, z, normalizer, .output(y), masked: masked, on: workers))
  }

  /// `dy` where y is positive, zero elsewhere.
  package static func masked(
    _ dy: Tensor, output y: Tensor, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == y.shape)
    let masked = inPlace ? dy : Tensor(dy.shape)
    forEachBlock(of: dy.shape, on: workers) { first, rows, width in
      microkernels.reluGradient(dy.start + first, where: y.start + first, into: masked.start + first, count: rows * width)
    }
    return masked
  }

  /// The gradient of z.
  ///
  /// - Parameters:
  ///   - sums: those of `gradientSums`, over all ranks that normalize together.
  ///   - count: values a channel, over the same ranks.
  ///   - inPlace: whether the result takes the memory of `dy`.
  package static func inputGradient(
    _ dy: Tensor, _ z: Tensor, _ normalizer: Normalizer, sums: [Double], count: Double,
    _ rectification: Rectification, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    let channels = normalizer.channels
    precondition(dy.shape == z.shape && channels == z.shape.channels && sums.count == 2 * channels)
    // dz = scale · g + slope · (z − mean) + offset
    var slopes = [Double](), offsets = [Double]()
    for c in 0..<channels {
      let scale = Double(normalizer.scale[c])
      let slope = -scale * sums[channels + c] / count * normalizer.inverseDeviation[c]
      slopes.append(slope)
      // The last term makes up for the rounding of the mean.
      offsets.append(-scale * sums[c] / count + slope * (Double(normalizer.mean[c]) - normalizer.batchMean[c]))
    }
    let slopeRow = Normalizer.row(slopes)
    let offsetRow = Normalizer.row(offsets)
    let dz = inPlace ? dy : Tensor(dy.shape)
    forEachBlock(of: z.shape, on: workers) { first, rows, width in
      microkernels.batchNormInputGradient(
        dy.start + first, z.start + first, rows: rows, width: width, normalizer.rows, slope: slopeRow.start,
        offset: offsetRow.start, mask: rectification.mask { $0.start + first }, into: dz.start + first)
    }
    return dz
  }

  /// Where `masked` is given (not for planes), the masked gradient is written to it.
  private static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normalizer: Normalizer, _ rectification: Rectification, masked: Tensor?,
    on workers: WorkerPool
  ) -> GradientSums {
    let width = ChannelSums.width(z.shape)
    let channels = normalizer.channels
    let rows = ChannelSums.perImage(z.shape, quantities: 2, workspace: 2 * width + 24, on: workers) {
      run, sums, workspace in
      let sum = workspace
      let product = workspace + width
      for c in stride(from: 0, to: 2 * width, by: 8) { workspace.store(Vector(), c) }
      var mask = rectification.mask { run.start(in: $0) }
      if let masked, case .output(let y) = mask { mask = .outputWriting(y, to: run.start(in: masked)) }
      microkernels.addBatchNormGradientSums(
        run.start(in: dy), run.start(in: z), rows: run.rows, width: width, normalizer.rows, mask: mask, to: sum, product
      )
      if run.rest > 0 {
        // The gradient is zero beyond the plane, whatever passes there.
        let (restGradients, restValues, restOutput) = (product + width, product + width + 8, product + width + 16)
        run.copyRest(of: dy, filler: 0, to: restGradients)
        run.copyRest(of: z, filler: 0, to: restValues)
        let restMask = rectification.mask { output in
          run.copyRest(of: output, filler: 0, to: restOutput)
          return restOutput
        }
        microkernels.addBatchNormGradientSums(
          restGradients, restValues, rows: 1, width: width, normalizer.rows, mask: restMask, to: sum, product)
      }

      for c in 0..<width {
        sums[c] += Double(sum[c])
        sums[width + c] += Double(product[c])
      }
    }
    // From sums about the rounded mean to sums of x̂.
    let images = rows.map { row in
      var row = row
      for c in 0..<channels {
        let centered = row[channels + c] + (Double(normalizer.mean[c]) - normalizer.batchMean[c]) * row[c]
        row[channels + c] = centered * normalizer.inverseDeviation[c]
      }
      return row
    }
    return GradientSums(images, channels: channels)
  }
}
