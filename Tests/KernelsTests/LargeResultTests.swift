import Kernels
import Tensors
import Testing

/// Results above 16 MiB are written with non-temporal stores (`NonTemporal`); here two images together are, one alone
/// is not.
@Suite("Results written with non-temporal stores", .everyInstructionSet, .serialized)
struct LargeResultTests {
  private let workers = WorkerPool.underTest(threads: 2)

  /// Pixels of whole cache lines, of lines and a half, and of a single channel.
  static let shapes = [Shape(2, 192, 192, 64), Shape(2, 181, 191, 72), Shape(2, 1450, 1451, 1)]

  @Test("Normalizing a batch gives the bits of each image alone", arguments: shapes)
  func normalized(_ shape: Shape) {
    let (z, shortcut) = (randomTensor("z", shape), randomTensor("shortcut", shape))
    let ones = FloatSlice([Float](repeating: 1, count: shape.channels))
    let normalizer = BatchNormKernel.Normalizer(
      runningMean: randomFloats("mean", shape.channels), runningVariance: ones,
      gamma: randomFloats("gamma", shape.channels), beta: randomFloats("beta", shape.channels))
    func apply(_ z: Tensor, _ shortcut: Tensor) -> Tensor {
      BatchNormKernel.apply(normalizer, to: z, plus: shortcut, relu: true, on: workers)
    }
    let together = apply(z, shortcut)
    for index in 0..<shape.images {
      let alone = apply(image(index, of: z), image(index, of: shortcut))
      let same = bits(image(index, of: together)) == bits(alone)
      #expect(same, "image \(index) differs from the same image alone")
    }
  }

  @Test("Convolving a batch gives the bits of each image alone", arguments: shapes.prefix(2))
  func convolved(_ shape: Shape) {
    let together = SpatialCase(shape, outputs: shape.channels, dilation: 1)
    let alone = (0..<shape.images).map { SpatialCase(together, image: $0) }
    let same = bits(together.forward(workers)) == alone.flatMap { bits($0.forward(workers)) }
    #expect(same)
  }
}
