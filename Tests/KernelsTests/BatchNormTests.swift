import Kernels
import Tensors
import Testing

@Suite("Batch norm", .everyInstructionSet)
struct BatchNormTests {
  private static let shapes = [
    Shape(2, 7, 9, 64), Shape(3, 11, 13, 33), Shape(2, 5, 7, 1), Shape(1, 61, 67, 1), Shape(2, 75, 101, 9),
    Shape(1, 45, 43, 256), Shape(4, 1, 1, 256), Shape(2, 37, 3, 17), Shape(3, 1, 2, 8),
  ]
  /// What is fused with the normalization.
  private enum Fusion: CaseIterable, Sendable { case none, relu, shortcutAndReLU }

  /// Batch norm in double precision: statistics, output, and the gradients for `dy`.
  private struct Reference {
    var mean = [Double](), variance = [Double](), y = [Double](), dz = [Double](), masked = [Double]()
    var gamma = [Double](), beta = [Double]()

    init(_ z: Tensor, gamma: FloatSlice, beta: FloatSlice, residual: Tensor?, relu: Bool, dy: Tensor) {
      let (channels, count) = (z.shape.channels, z.shape.pixels)
      let (zs, rs, gs) = (z.dense, residual?.dense, dy.dense)
      y = [Double](repeating: 0, count: zs.count)
      dz = y
      masked = y
      for c in 0..<channels {
        let indices = (0..<count).map { $0 * channels + c }
        let mean = indices.reduce(0) { $0 + Double(zs[$1]) } / Double(count)
        let variance = indices.reduce(0) { $0 + (Double(zs[$1]) - mean) * (Double(zs[$1]) - mean) } / Double(count)
        let inverse = 1 / (variance + 1e-5).squareRoot()
        var (sumG, sumGX) = (0.0, 0.0)
        for i in indices {
          let x = (Double(zs[i]) - mean) * inverse
          let value = x * Double(gamma[c]) + Double(beta[c]) + Double(rs?[i] ?? 0)
          y[i] = relu ? max(0, value) : value
          masked[i] = relu && value <= 0 ? 0 : Double(gs[i])
          sumG += masked[i]
          sumGX += masked[i] * x
        }
        for i in indices {
          let x = (Double(zs[i]) - mean) * inverse
          dz[i] = Double(gamma[c]) * inverse * (masked[i] - sumG / Double(count) - x * sumGX / Double(count))
        }
        self.mean.append(mean)
        self.variance.append(variance)
        self.gamma.append(sumGX)
        self.beta.append(sumG)
      }
    }
  }

  private struct Operands {
    let z: Tensor, residual: Tensor?, dy: Tensor, gamma: FloatSlice, beta: FloatSlice
    let fusion: Fusion

    init(_ shape: Shape, _ fusion: Fusion) {
      z = randomTensor("z", shape)
      residual = fusion == .shortcutAndReLU ? randomTensor("residual", shape) : nil
      dy = randomTensor("dy", shape)
      gamma = randomFloats("gamma", shape.channels)
      beta = randomFloats("beta", shape.channels)
      self.fusion = fusion
    }

    private init(_ other: Operands, images range: Range<Int>) {
      z = images(range, of: other.z)
      residual = other.residual.map { images(range, of: $0) }
      dy = images(range, of: other.dy)
      (gamma, beta, fusion) = (other.gamma, other.beta, other.fusion)
    }

    func alone(_ range: Range<Int>) -> Operands { Operands(self, images: range) }

    func normalizer(_ sums: [Double], count: Double) -> BatchNormKernel.Normalizer {
      BatchNormKernel.Normalizer(sums: sums, count: count, gamma: gamma, beta: beta)
    }

    func output(_ normalizer: BatchNormKernel.Normalizer, on workers: WorkerPool) -> Tensor {
      BatchNormKernel.apply(normalizer, to: z, plus: residual, relu: fusion != .none, on: workers)
    }

    func mask(_ y: Tensor) -> BatchNormKernel.ReLUMask {
      switch fusion {
      case .none: .none
      case .relu: .recomputed
      case .shortcutAndReLU: .output(y)
      }
    }
  }

  @Test("Output and gradients agree with double precision", arguments: shapes, Fusion.allCases)
  private func agreesWithDoublePrecision(_ shape: Shape, _ fusion: Fusion) {
    let data = Operands(shape, fusion)
    let workers = WorkerPool.underTest(threads: 2)
    let count = Double(shape.pixels)
    let expected = Reference(
      data.z, gamma: data.gamma, beta: data.beta, residual: data.residual, relu: fusion != .none, dy: data.dy)

    let normalizer = data.normalizer(BatchNormKernel.sums(data.z, on: workers)[0], count: count)
    expectClose(normalizer.batchMean.map { Float($0) }, expected.mean)
    expectClose(normalizer.batchVariance.map { Float($0) }, expected.variance)
    let y = data.output(normalizer, on: workers)
    // With few values per channel the deviation may be small; rounding grows with 1 / deviation.
    let tolerance = shape.pixels < 20 ? 2e-5 : 4e-6
    expectClose(y, expected.y, within: tolerance)

    let mask = data.mask(y)
    let gradients = BatchNormKernel.gradientSums(data.dy, data.z, [normalizer], mask, on: workers)
    expectClose(gradients.beta.values, expected.beta, within: tolerance)
    expectClose(gradients.gamma.values, expected.gamma, within: tolerance)
    let dz = BatchNormKernel.inputGradient(
      data.dy, data.z, [normalizer], sums: gradients.sums, count: count, mask, on: workers)
    expectClose(dz, expected.dz, within: tolerance)

    guard fusion == .shortcutAndReLU else { return }
    let (masked, sums) = BatchNormKernel.maskedGradientSums(data.dy, output: y, data.z, [normalizer], on: workers)
    expectClose(masked, expected.masked)
    #expect(sums.sums == gradients.sums)
    let again = BatchNormKernel.inputGradient(
      masked, data.z, [normalizer], sums: sums.sums, count: count, .none, on: workers)
    #expect(again.dense == dz.dense)
  }

  @Test("The gradient of z agrees with finite differences", arguments: Fusion.allCases)
  private func gradientIsSlope(_ fusion: Fusion) {
    let data = Operands(Shape(2, 4, 5, 9), fusion)
    let workers = WorkerPool.underTest(threads: 1)
    let count = Double(data.z.shape.pixels)
    let normalizer = data.normalizer(BatchNormKernel.sums(data.z, on: workers)[0], count: count)
    let y = data.output(normalizer, on: workers)
    let sums = BatchNormKernel.gradientSums(data.dy, data.z, [normalizer], data.mask(y), on: workers)
    let dz = BatchNormKernel.inputGradient(
      data.dy, data.z, [normalizer], sums: sums.sums, count: count, data.mask(y), on: workers)

    /// Σ dy · y in double precision, for an altered value of z.
    func objective(_ index: Int, _ value: Float) -> Double {
      var values = data.z.dense
      values[index] = value
      let reference = Reference(
        Tensor(data.z.shape, dense: values), gamma: data.gamma, beta: data.beta, residual: data.residual,
        relu: fusion != .none, dy: data.dy)
      return zip(reference.y, data.dy.dense).reduce(0) { $0 + $1.0 * Double($1.1) }
    }
    let values = data.z.dense
    for index in stride(from: 0, to: values.count, by: 17) {
      let (above, below) = (values[index] + 1e-4, values[index] - 1e-4)
      let slope = (objective(index, above) - objective(index, below)) / Double(above - below)
      #expect(abs(Double(dz.dense[index]) - slope) < 2e-3)
    }
  }

  @Test("Results in place have the same bits", arguments: [1, 24])
  private func worksInPlace(channels: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    let shape = Shape(2, 15, 7, channels)
    let data = Operands(shape, .shortcutAndReLU)
    let normalizer = data.normalizer(BatchNormKernel.sums(data.z, on: workers)[0], count: Double(shape.pixels))
    let y = data.output(normalizer, on: workers)
    let copy = Tensor(shape, dense: data.z.dense)
    let inPlace = BatchNormKernel.apply(
      normalizer, to: copy, plus: data.residual, relu: true, inPlace: true, on: workers)
    #expect(inPlace.buffer === copy.buffer && inPlace.dense == y.dense)

    let (masked, sums) = BatchNormKernel.maskedGradientSums(data.dy, output: y, data.z, [normalizer], on: workers)
    let dz = BatchNormKernel.inputGradient(
      masked, data.z, [normalizer], sums: sums.sums, count: Double(shape.pixels), .none, on: workers)
    let dy = Tensor(shape, dense: data.dy.dense)
    let (maskedThere, sumsThere) = BatchNormKernel.maskedGradientSums(
      dy, output: y, data.z, [normalizer], inPlace: true, on: workers)
    #expect(maskedThere.buffer === dy.buffer && maskedThere.dense == masked.dense && sumsThere.sums == sums.sums)
    #expect(BatchNormKernel.masked(data.dy, output: y, on: workers).dense == masked.dense)
    let dzThere = BatchNormKernel.inputGradient(
      dy, data.z, [normalizer], sums: sums.sums, count: Double(shape.pixels), .none, inPlace: true, on: workers)
    #expect(dzThere.buffer === dy.buffer && dzThere.dense == dz.dense)
  }

  @Test("The variance stays accurate if the mean is a thousand deviations away from zero", arguments: [1, 16, 9])
  func varianceOfFarMeans(channels: Int) {
    let shape = Shape(2, 50, 41, channels)
    let z = Tensor(shape, dense: randomTensor("z", shape).dense.map { 1000 + $0 })
    let ones = FloatSlice([Float](repeating: 1, count: channels))
    let expected = Reference(z, gamma: ones, beta: ones, residual: nil, relu: false, dy: z)
    let sums = BatchNormKernel.sums(z, on: WorkerPool.underTest(threads: 2))[0]
    let normalizer = BatchNormKernel.Normalizer(sums: sums, count: Double(shape.pixels), gamma: ones, beta: ones)
    for c in 0..<channels {
      #expect(abs(normalizer.batchVariance[c] / expected.variance[c] - 1) < 1e-6)
      #expect(abs(normalizer.batchMean[c] / expected.mean[c] - 1) < 1e-9)
    }
  }

  @Test("Results do not depend on the threads or on the other images", arguments: shapes, Fusion.allCases)
  private func bitsAreReproducible(_ shape: Shape, _ fusion: Fusion) {
    let data = Operands(shape, fusion)
    let count = Double(shape.pixels)
    let statistics = BatchNormKernel.sums(data.z, on: WorkerPool.underTest(threads: 1))[0]
    func everything(_ data: Operands, threads: Int) -> (sums: [[Double]], floats: [[Float]]) {
      let workers = WorkerPool.underTest(threads: threads)
      // Every part is normalized with the statistics of the whole batch.
      let normalizer = data.normalizer(statistics, count: count)
      let y = data.output(normalizer, on: workers)
      let gradients = BatchNormKernel.gradientSums(data.dy, data.z, [normalizer], data.mask(y), on: workers)
      let dz = BatchNormKernel.inputGradient(
        data.dy, data.z, [normalizer], sums: [statistics], count: count, data.mask(y), on: workers)
      return (
        [BatchNormKernel.sums(data.z, on: workers)[0], gradients.sums[0]],
        [y.dense, dz.dense, gradients.gamma.values, gradients.beta.values]
      )
    }
    let whole = everything(data, threads: 1)
    for threads in [2, 3] {
      let again = everything(data, threads: threads)
      #expect(again.sums == whole.sums)
      #expect(again.floats == whole.floats)
    }
    let alone = (0..<shape.images).map { everything(data.alone($0..<$0 + 1), threads: 2) }
    #expect(PairwiseSum.total(alone.map { $0.sums[0] }) == whole.sums[0])
    #expect(PairwiseSum.total(alone.map { $0.sums[1] }) == whole.sums[1])
    #expect(alone.flatMap { $0.floats[0] } == whole.floats[0])
    #expect(alone.flatMap { $0.floats[1] } == whole.floats[1])
    #expect(pairwiseSum(alone.map { $0.floats[2] }) == whole.floats[2])
    #expect(pairwiseSum(alone.map { $0.floats[3] }) == whole.floats[3])
  }

  @Test(
    "Each group of images has the bits that it has alone, in place as well",
    arguments: [
      (Shape(4, 5, 7, 1), 2), (Shape(6, 1, 1, 1), 3), (Shape(8, 3, 3, 1), 2), (Shape(4, 61, 67, 1), 2),
      (Shape(8, 5, 7, 9), 4), (Shape(4, 37, 31, 40), 2), (Shape(4, 1, 1, 16), 2),
    ], Fusion.allCases)
  private func groups(_ batch: (Shape, Int), _ fusion: Fusion) {
    let (shape, groups) = batch
    let images = shape.images / groups
    let count = Double(shape.pixels / groups)
    let workers = WorkerPool.underTest(threads: 3)
    func backward(
      _ data: Operands, _ normalizers: [BatchNormKernel.Normalizer], _ y: Tensor, inPlace: Bool
    ) -> (sums: BatchNormKernel.GradientSums, dz: Tensor) {
      let dy = Tensor(data.dy.shape, dense: data.dy.dense)
      guard fusion == .shortcutAndReLU else {
        let sums = BatchNormKernel.gradientSums(dy, data.z, normalizers, data.mask(y), on: workers)
        let dz = BatchNormKernel.inputGradient(
          dy, data.z, normalizers, sums: sums.sums, count: count, data.mask(y), inPlace: inPlace, on: workers)
        return (sums, dz)
      }
      let (masked, sums) = BatchNormKernel.maskedGradientSums(
        dy, output: y, data.z, normalizers, inPlace: inPlace, on: workers)
      let dz = BatchNormKernel.inputGradient(
        masked, data.z, normalizers, sums: sums.sums, count: count, .none, inPlace: inPlace, on: workers)
      return (sums, dz)
    }
    func normalized(_ data: Operands, groups: Int) -> [BatchNormKernel.Normalizer] {
      BatchNormKernel.sums(data.z, groups: groups, on: workers).map { data.normalizer($0, count: count) }
    }

    let whole = Operands(shape, fusion)
    let normalizers = normalized(whole, groups: groups)
    #expect(normalizers.count == groups)
    let y = BatchNormKernel.apply(
      normalizers, to: whole.z, plus: whole.residual, relu: fusion != .none, on: workers)
    let (sums, dz) = backward(whole, normalizers, y, inPlace: false)
    let copy = Tensor(shape, dense: whole.z.dense)
    let there = BatchNormKernel.apply(
      normalizers, to: copy, plus: whole.residual, relu: fusion != .none, inPlace: true, on: workers)
    #expect(there.buffer === copy.buffer && there.dense == y.dense)
    #expect(backward(whole, normalizers, y, inPlace: true).dz.dense == dz.dense)

    var (ys, dzs, gammas, betas) = ([Float](), [Float](), [[Float]](), [[Float]]())
    for group in 0..<groups {
      let alone = whole.alone(group * images..<(group + 1) * images)
      let own = normalized(alone, groups: 1)
      #expect(own[0].batchMean == normalizers[group].batchMean)
      #expect(own[0].batchVariance == normalizers[group].batchVariance)
      let y = alone.output(own[0], on: workers)
      let (ownSums, dz) = backward(alone, own, y, inPlace: false)
      #expect(ownSums.sums[0] == sums.sums[group])
      ys += y.dense
      dzs += dz.dense
      gammas.append(ownSums.gamma.values)
      betas.append(ownSums.beta.values)
    }
    #expect(ys == y.dense)
    #expect(dzs == dz.dense)
    // A group of a power of two of images is a subtree of the summation tree.
    #expect(pairwiseSum(gammas) == sums.gamma.values)
    #expect(pairwiseSum(betas) == sums.beta.values)
  }

  @Test("Evaluation normalizes with the running mean and variance")
  func runningStatistics() {
    let (mean, variance): (FloatSlice, FloatSlice) = (FloatSlice([0.5, -2, 3]), FloatSlice([4, 0.25, 1]))
    let (gamma, beta) = (FloatSlice([2, 1, -1]), FloatSlice([0, 1, 0.5]))
    let normalizer = BatchNormKernel.Normalizer(
      runningMean: mean, runningVariance: variance, gamma: gamma, beta: beta)
    let z = Tensor(Shape(1, 1, 2, 3), dense: [2.5, -1.5, 3, -1.5, -2, 4])
    let y = BatchNormKernel.apply(normalizer, to: z, relu: false, on: WorkerPool.underTest(threads: 1))
    expectClose(y, [2, 2, 0.5, -2, 1, -0.5], within: 2e-5)
  }

  @Test("The running variance is unbiased; of a single value it is the biased one")
  func unbiasedVariance() {
    let one = FloatSlice([1])
    let normalizer = BatchNormKernel.Normalizer(sums: [4, 10], count: 2, gamma: one, beta: one)
    #expect(normalizer.batchMean == [2] && normalizer.batchVariance == [1])
    #expect(normalizer.unbiasedVariance(count: 2) == [2])
    #expect(normalizer.unbiasedVariance(count: 1) == [1])
  }
}
