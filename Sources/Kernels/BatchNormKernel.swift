import Microkernels
import Tensors

/// Batch norm fused with the sum with a shortcut and the ReLU that follow it in the network:
///
///     y = max(0, z · scale + shift + residual)
///
/// The forward and the backward pass each have two halves. The first returns sums in double precision, which ranks may
/// all-reduce; the second uses them. Images may form groups of equally many consecutive images, each normalized with its
/// own statistics: sums and normalizers are then those of each group, in order.
///
/// Backward, with g the gradient of the normalization's result (that of y where ReLU passes it), x̂ the normalized
/// values and M their number per channel:
///
///     dβ = Σ g        dγ = Σ g · x̂        dz = scale · (g − dβ / M − x̂ · dγ / M)
package enum BatchNormKernel {
  /// Which gradients the ReLU passes; the output is `[N, H, W, C]`.
  package typealias ReLUMask = Microkernels.ReLUMask<Tensor>

  // MARK: - Forward

  /// For each group of images of this rank, each channel's sum of values, then each channel's sum of squares, `[2C]`.
  ///
  /// - Parameters:
  ///   - z: `[N, H, W, C]`
  ///   - groups: a divisor of N.
  package static func sums(_ z: Tensor, groups: Int = 1, on workers: WorkerPool) -> [[Double]] {
    let microkernels = workers.microkernels
    let width = ChannelSums.width(z.shape)
    return ChannelSums.totals(
      ofGroups: groups,
      ChannelSums.perImage(z.shape, quantities: 2, workspace: 4 * width, on: workers) { run, sums, workspace in
        // Sums deviations from the first pixel: if the mean is far from zero, the squares of the values themselves
        // would leave no digits for the variance.
        let pivot = workspace
        let sum = workspace + width
        let squares = sum + width
        let rest = squares + width
        let values = run.start(in: z)
        for c in stride(from: 0, to: width, by: 8) {
          pivot.store(z.shape.channels == 1 ? Vector(repeating: values.read(0)) : values.vector(c), c)
          sum.store(Vector(), c)
          squares.store(Vector(), c)
        }
        microkernels.addDeviations(values, rows: run.rows, width: width, from: pivot, to: sum, squares)
        if run.rest > 0 {
          run.copyRest(of: z, filler: pivot[0], to: rest)
          microkernels.addDeviations(ElementPointer(rest), rows: 1, width: width, from: pivot, to: sum, squares)
        }
        let fullRows = Double(run.rows)
        for c in 0..<width {
          // Σ z = Σ d + n p and Σ z² = Σ d² + 2 p Σ d + n p², for deviations d from the pivot p.
          let n = fullRows + (c < run.rest ? 1 : 0)
          let p = Double(pivot[c])
          let d = Double(sum[c])
          sums[c] += d + n * p
          sums[width + c] += Double(squares[c]) + (2 * d + n * p) * p
        }
      })
  }

  /// `z · scale + shift`, plus `residual`, followed by ReLU if `relu`.
  ///
  /// - Parameters:
  ///   - normalizers: of each group of images.
  ///   - z: `[N, H, W, C]`
  ///   - residual: the shortcut, of the same shape.
  ///   - inPlace: whether the result overwrites `z`.
  package static func apply(
    _ normalizers: [Normalizer], to z: Tensor, plus residual: Tensor? = nil, relu: Bool, inPlace: Bool = false,
    on workers: WorkerPool
  ) -> Tensor {
    precondition(
      normalizers.allSatisfy { $0.channels == z.shape.channels } && residual.map { $0.shape == z.shape } ?? true)
    let microkernels = workers.microkernels
    let y = inPlace ? z : Tensor(z.shape, z.precision)
    let nonTemporal = !inPlace && y.usesNonTemporalStores
    let blocks = GroupedRows(z.shape, groups: normalizers.count)
    let scale = blocks.rows(of: normalizers.map(\.scale))
    let shift = blocks.rows(of: normalizers.map(\.shift))
    blocks.forEachBlock(on: workers) { run, first, rows, width in
      microkernels.normalize(
        z.elements + first, rows: rows, width: width, scale: scale[run].start, shift: shift[run].start,
        residual: residual.map { $0.elements + first }, relu: relu, into: y.elements + first,
        nonTemporal: nonTemporal)
    }
    return y
  }

  /// The same with one normalizer for all images.
  package static func apply(
    _ normalizer: Normalizer, to z: Tensor, plus residual: Tensor? = nil, relu: Bool, inPlace: Bool = false,
    on workers: WorkerPool
  ) -> Tensor {
    apply([normalizer], to: z, plus: residual, relu: relu, inPlace: inPlace, on: workers)
  }

  // MARK: - Backward

  /// Sums over the images of this rank.
  package struct GradientSums: Sendable {
    /// For each group of images, each channel's Σ g, then each channel's Σ g · x̂, `[2C]`; to be summed over the ranks
    /// that normalize together.
    package let sums: [[Double]]
    /// This rank's summand of the gradients of γ and β. It is rounded per image and summed in single precision, as the
    /// sum over ranks is: the same images on more ranks give the same bits.
    package let gamma: FloatSlice
    package let beta: FloatSlice

    fileprivate init(_ images: [[Double]], groups: Int, channels: Int) {
      sums = ChannelSums.totals(ofGroups: groups, images)
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
  ///   - normalizers: of each group of images.
  package static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normalizers: [Normalizer], _ mask: ReLUMask, on workers: WorkerPool
  ) -> GradientSums {
    precondition(dy.shape == z.shape && normalizers.allSatisfy { $0.channels == z.shape.channels })
    return gradientSums(dy, z, normalizers, mask, masked: nil, on: workers)
  }

  /// The gradient masked by the output y of a ReLU after the sum with a shortcut (also the gradient of the shortcut),
  /// and the sums over it, in one pass.
  ///
  /// - Parameter inPlace: whether the masked gradient overwrites `dy`.
  package static func maskedGradientSums(
    _ dy: Tensor, output y: Tensor, _ z: Tensor, _ normalizers: [Normalizer], inPlace: Bool = false,
    on workers: WorkerPool
  ) -> (masked: Tensor, sums: GradientSums) {
    precondition(
      dy.shape == z.shape && y.shape == z.shape && normalizers.allSatisfy { $0.channels == z.shape.channels })
    if z.shape.channels == 1 {
      let masked = masked(dy, output: y, inPlace: inPlace, on: workers)
      return (masked, gradientSums(masked, z, normalizers, .none, masked: nil, on: workers))
    }
    let masked = inPlace ? dy : Tensor(dy.shape, dy.precision)
    return (masked, gradientSums(dy, z, normalizers, .output(y), masked: masked, on: workers))
  }

  /// `dy` where y is positive, zero elsewhere.
  package static func masked(
    _ dy: Tensor, output y: Tensor, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == y.shape)
    let masked = inPlace ? dy : Tensor(dy.shape, dy.precision)
    let microkernels = workers.microkernels
    GroupedRows(dy.shape, groups: 1).forEachBlock(on: workers) { _, first, rows, width in
      microkernels.reluGradient(
        dy.elements + first, where: y.elements + first, into: masked.elements + first, count: rows * width)
    }
    return masked
  }

  /// The gradient of z.
  ///
  /// - Parameters:
  ///   - normalizers: of each group of images.
  ///   - sums: those of `gradientSums` of each group, over all ranks that normalize together.
  ///   - count: values per channel of a group, over the same ranks.
  ///   - inPlace: whether the result overwrites `dy`.
  package static func inputGradient(
    _ dy: Tensor, _ z: Tensor, _ normalizers: [Normalizer], sums: [[Double]], count: Double,
    _ mask: ReLUMask, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == z.shape && normalizers.count == sums.count)
    let tilts = zip(normalizers, sums).map { Tilt($0, sums: $1, count: count) }
    let blocks = GroupedRows(z.shape, groups: normalizers.count)
    let scale = blocks.rows(of: normalizers.map(\.scale))
    let shift = blocks.rows(of: normalizers.map(\.shift))
    let mean = blocks.rows(of: normalizers.map(\.mean))
    let slope = blocks.rows(of: tilts.map(\.slope))
    let offset = blocks.rows(of: tilts.map(\.offset))
    let dz = inPlace ? dy : Tensor(dy.shape, dy.precision)
    let microkernels = workers.microkernels
    blocks.forEachBlock(on: workers) { run, first, rows, width in
      microkernels.batchNormInputGradient(
        dy.elements + first, z.elements + first, rows: rows, width: width,
        NormalizerPointers(scale: scale[run].start, shift: shift[run].start, mean: mean[run].start),
        slope: slope[run].start, offset: offset[run].start, mask: mask.map { $0.elements + first },
        into: dz.elements + first)
    }
    return dz
  }

  /// What the dependence of the statistics on z adds to its gradient:
  /// `dz = scale · g + slope · (z − mean) + offset`.
  private struct Tilt {
    let slope: FloatSlice
    let offset: FloatSlice

    init(_ normalizer: Normalizer, sums: [Double], count: Double) {
      let channels = normalizer.channels
      precondition(sums.count == 2 * channels)
      var slopes = [Double](), offsets = [Double]()
      for c in 0..<channels {
        let scale = Double(normalizer.scale[c])
        let slope = -scale * sums[channels + c] / count * normalizer.inverseDeviation[c]
        slopes.append(slope)
        // The last term compensates the rounding of the mean.
        offsets.append(-scale * sums[c] / count + slope * (Double(normalizer.mean[c]) - normalizer.batchMean[c]))
      }
      slope = Normalizer.row(slopes)
      offset = Normalizer.row(offsets)
    }
  }

  /// - Parameter masked: if not nil (more than one channel only), receives the masked gradient.
  private static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normalizers: [Normalizer], _ mask: ReLUMask, masked: Tensor?,
    on workers: WorkerPool
  ) -> GradientSums {
    precondition(z.shape.images.isMultiple(of: normalizers.count))
    let microkernels = workers.microkernels
    let width = ChannelSums.width(z.shape)
    let channels = z.shape.channels
    let groupImages = z.shape.images / normalizers.count
    let rows = ChannelSums.perImage(z.shape, quantities: 2, workspace: 2 * width + 24, on: workers) {
      run, sums, workspace in
      let normalizer = normalizers[run.image / groupImages]
      let sum = workspace
      let product = workspace + width
      for c in stride(from: 0, to: 2 * width, by: 8) { workspace.store(Vector(), c) }
      microkernels.addBatchNormGradientSums(
        run.start(in: dy), run.start(in: z), rows: run.rows, width: width, normalizer.rows,
        mask: mask.map { run.start(in: $0) }, masked: masked.map { run.start(in: $0) }, to: sum, product)
      if run.rest > 0 {
        // Past the end the gradient is zero: its lanes add nothing, whatever the mask.
        let (restGradients, restValues, restOutput) = (product + width, product + width + 8, product + width + 16)
        run.copyRest(of: dy, filler: 0, to: restGradients)
        run.copyRest(of: z, filler: 0, to: restValues)
        let restMask = mask.map { output in
          run.copyRest(of: output, filler: 0, to: restOutput)
          return ElementPointer(restOutput)
        }
        microkernels.addBatchNormGradientSums(
          ElementPointer(restGradients), ElementPointer(restValues), rows: 1, width: width, normalizer.rows,
          mask: restMask, masked: nil, to: sum, product)
      }
      for c in 0..<width {
        sums[c] += Double(sum[c])
        sums[width + c] += Double(product[c])
      }
    }
    // From sums of g · (z − rounded mean) to sums of g · x̂.
    let images = rows.enumerated().map { image, row in
      let normalizer = normalizers[image / groupImages]
      var row = row
      for c in 0..<channels {
        let centered = row[channels + c] + (Double(normalizer.mean[c]) - normalizer.batchMean[c]) * row[c]
        row[channels + c] = centered * normalizer.inverseDeviation[c]
      }
      return row
    }
    return GradientSums(images, groups: normalizers.count, channels: channels)
  }
}
