import Tensors

/// The way back through batch norm. With g the gradient of what the normalisation alone gives, that of y where ReLU
/// let it through, x̂ the normalised values and M their number a channel:
///
///     dβ = Σ g        dγ = Σ g · x̂        dz = scale · (g − dβ / M − x̂ · dγ / M)
extension BatchNorm {
  /// What ReLU let through.
  package enum Rectification: Sendable {
    /// There was no ReLU, or the gradient has been masked already.
    case none
    /// ReLU followed at once: what was negative is computed again from z.
    case recomputed
    /// ReLU followed the sum with a shortcut: its output y, `[N, H, W, C]`, is zero where nothing passes.
    case output(Tensor)
  }

  /// Sums over the pictures of this rank.
  package struct GradientSums: Sendable {
    /// Each channel's Σ g, then each channel's Σ g · x̂, `[2C]`: to be added over the ranks that normalise together.
    package let sums: [Double]
    /// This rank's part of the gradients of γ and β. Rounded picture by picture and joined in single precision, as
    /// ranks join theirs: the same pictures on more ranks give the same bits.
    package let gamma: Floats
    package let beta: Floats

    fileprivate init(_ pictures: [[Double]], channels: Int) {
      sums = TreeSum.total(pictures)
      gamma = Floats(count: channels)
      beta = Floats(count: channels)
      ChannelSums.joined(pictures.map { Array($0[..<channels]) }, into: beta)
      ChannelSums.joined(pictures.map { Array($0[channels...]) }, into: gamma)
    }
  }

  /// The sums that the gradients of γ, β and z need.
  ///
  /// - Parameters:
  ///   - dy: gradient of the output, `[N, H, W, C]`.
  ///   - z: what was normalised, of the same shape.
  package static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normaliser: Normaliser, _ rectification: Rectification, on workers: WorkerPool
  ) -> GradientSums {
    precondition(dy.shape == z.shape && normaliser.channels == z.shape.channels)
    return gradientSums(dy, z, normaliser, rectification, masked: nil, on: workers)
  }

  /// The gradient masked by the output y of a ReLU that followed the sum with a shortcut (it is the gradient of the
  /// shortcut as well), and the sums over it, in one pass.
  ///
  /// - Parameter inPlace: whether the masked gradient takes the memory of `dy`.
  package static func maskedGradientSums(
    _ dy: Tensor, output y: Tensor, _ z: Tensor, _ normaliser: Normaliser, inPlace: Bool = false,
    on workers: WorkerPool
  ) -> (masked: Tensor, sums: GradientSums) {
    precondition(dy.shape == z.shape && y.shape == z.shape && normaliser.channels == z.shape.channels)
    if z.shape.channels == 1 {
      let masked = masked(dy, output: y, inPlace: inPlace, on: workers)
      return (masked, gradientSums(masked, z, normaliser, .none, masked: nil, on: workers))
    }
    let masked = inPlace ? dy : Tensor(dy.shape)
    return (masked, gradientSums(dy, z, normaliser, .output(y), masked: masked, on: workers))
  }

  /// `dy` where y is positive, zero elsewhere.
  package static func masked(
    _ dy: Tensor, output y: Tensor, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    precondition(dy.shape == y.shape)
    let masked = inPlace ? dy : Tensor(dy.shape)
    forEachBlock(of: dy.shape, on: workers) { first, rows, width in
      let (source, output, target) = (dy.start + first, y.start + first, masked.start + first)
      for i in stride(from: 0, to: rows * width, by: 8) {
        target.store(source.vector(i).replacing(with: 0, where: output.vector(i) .<= 0), i)
      }
    }
    return masked
  }

  /// The gradient of z.
  ///
  /// - Parameters:
  ///   - sums: those of `gradientSums`, over all ranks that normalise together.
  ///   - count: values a channel, over the same ranks.
  ///   - inPlace: whether the result takes the memory of `dy`.
  package static func inputGradient(
    _ dy: Tensor, _ z: Tensor, _ normaliser: Normaliser, sums: [Double], count: Double,
    _ rectification: Rectification, inPlace: Bool = false, on workers: WorkerPool
  ) -> Tensor {
    let channels = normaliser.channels
    precondition(dy.shape == z.shape && channels == z.shape.channels && sums.count == 2 * channels)
    // dz = scale · g + slope · (z − mean) + offset
    var slopes = [Double](), offsets = [Double]()
    for c in 0..<channels {
      let scale = Double(normaliser.scale[c])
      let slope = -scale * sums[channels + c] / count * normaliser.inverseDeviation[c]
      slopes.append(slope)
      // The last term makes up for the rounding of the mean.
      offsets.append(-scale * sums[c] / count + slope * (Double(normaliser.mean[c]) - normaliser.batchMean[c]))
    }
    let slopeRow = Normaliser.row(slopes)
    let offsetRow = Normaliser.row(offsets)
    let dz = inPlace ? dy : Tensor(dy.shape)
    forEachBlock(of: z.shape, on: workers) { first, rows, width in
      let (gradients, values, target) = (dy.start + first, z.start + first, dz.start + first)
      let (scale, shift, mean) = (normaliser.scale.start, normaliser.shift.start, normaliser.mean.start)
      let (slope, offset) = (slopeRow.start, offsetRow.start)
      @inline(__always)
      func forEachVector(_ gradient: (_ i: Int, _ c: Int, _ z: Vector) -> Vector) {
        for row in 0..<rows {
          for c in stride(from: 0, to: width, by: 8) {
            let i = row * width + c
            let z = values.vector(i)
            let tilt = multiplyAdd(z - mean.vector(c), slope.vector(c), offset.vector(c))
            target.store(multiplyAdd(gradient(i, c, z), scale.vector(c), tilt), i)
          }
        }
      }
      switch rectification {
      case .none:
        forEachVector { i, _, _ in gradients.vector(i) }
      case .recomputed:
        forEachVector { i, c, z in
          let y = multiplyAdd(z, scale.vector(c), shift.vector(c))
          return gradients.vector(i).replacing(with: 0, where: y .<= 0)
        }
      case .output(let y):
        let output = y.start + first
        forEachVector { i, _, _ in gradients.vector(i).replacing(with: 0, where: output.vector(i) .<= 0) }
      }
    }
    return dz
  }

  /// Where `masked` is given (not for planes), the masked gradient is written to it.
  private static func gradientSums(
    _ dy: Tensor, _ z: Tensor, _ normaliser: Normaliser, _ rectification: Rectification, masked: Tensor?,
    on workers: WorkerPool
  ) -> GradientSums {
    let width = ChannelSums.width(z.shape)
    let channels = normaliser.channels
    let rows = ChannelSums.perPicture(z.shape, quantities: 2, scratch: 2 * width + 24, on: workers) {
      run, sums, scratch in
      let sum = scratch
      let product = scratch + width
      for c in stride(from: 0, to: 2 * width, by: 8) { scratch.store(Vector(), c) }
      let gradients = run.start(in: dy)
      let values = run.start(in: z)
      let (scale, shift, mean) = (normaliser.scale.start, normaliser.shift.start, normaliser.mean.start)

      /// Adds g and g · (z − mean) over `rows` rows.
      @inline(__always)
      func add(
        _ values: UnsafePointer<Float>, rows: Int, _ gradient: (_ i: Int, _ c: Int, _ z: Vector) -> Vector
      ) {
        for row in 0..<rows {
          for c in stride(from: 0, to: width, by: 8) {
            let z = values.vector(row * width + c)
            let g = gradient(row * width + c, c, z)
            sum.store(sum.vector(c) + g, c)
            product.store(multiplyAdd(g, z - mean.vector(c), product.vector(c)), c)
          }
        }
      }
      @inline(__always)
      func passed(_ g: Vector, _ z: Vector, _ c: Int) -> Vector {
        g.replacing(with: 0, where: multiplyAdd(z, scale.vector(c), shift.vector(c)) .<= 0)
      }

      switch rectification {
      case .none:
        add(values, rows: run.rows) { i, _, _ in gradients.vector(i) }
      case .recomputed:
        add(values, rows: run.rows) { i, c, z in passed(gradients.vector(i), z, c) }
      case .output(let y):
        let output = run.start(in: y)
        if let target = masked.map({ run.start(in: $0) }) {
          add(values, rows: run.rows) { i, _, _ in
            let g = gradients.vector(i).replacing(with: 0, where: output.vector(i) .<= 0)
            target.store(g, i)
            return g
          }
        } else {
          add(values, rows: run.rows) { i, _, _ in
            gradients.vector(i).replacing(with: 0, where: output.vector(i) .<= 0)
          }
        }
      }
      if run.rest > 0 {
        // The gradient is zero beyond the plane, whatever passes there.
        let (restGradients, restValues, restOutput) = (product + width, product + width + 8, product + width + 16)
        run.copyRest(of: dy, filler: 0, to: restGradients)
        run.copyRest(of: z, filler: 0, to: restValues)
        switch rectification {
        case .none:
          add(restValues, rows: 1) { _, _, _ in restGradients.vector() }
        case .recomputed:
          add(restValues, rows: 1) { _, c, z in passed(restGradients.vector(), z, c) }
        case .output(let y):
          run.copyRest(of: y, filler: 0, to: restOutput)
          add(restValues, rows: 1) { _, _, _ in
            restGradients.vector().replacing(with: 0, where: restOutput.vector() .<= 0)
          }
        }
      }

      for c in 0..<width {
        sums[c] += Double(sum[c])
        sums[width + c] += Double(product[c])
      }
    }
    // From sums about the rounded mean to sums of x̂.
    let pictures = rows.map { row in
      var row = row
      for c in 0..<channels {
        let centred = row[channels + c] + (Double(normaliser.mean[c]) - normaliser.batchMean[c]) * row[c]
        row[channels + c] = centred * normaliser.inverseDeviation[c]
      }
      return row
    }
    return GradientSums(pictures, channels: channels)
  }
}
