import Kernels
import Tensors
import Testing

/// What is larger than 16 MiB is written past the caches (`NonTemporal`). Here two images are, and one alone is not.
@Suite("Results too large for the caches", .serialized)
struct LargeResultTests {
  private let workers = WorkerPool(threads: 2)

  /// Pixels of whole lines of the caches, of lines and a half, and of a single channel.
  static let shapes = [Shape(2, 192, 192, 64), Shape(2, 181, 191, 72), Shape(2, 1450, 1451, 1)]

  @Test("Normalized images have the bits that each has alone", arguments: shapes)
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
      #expect(same, "image \(index) has other bits than alone")
    }
  }

  @Test("Convolved images have the bits that each has alone", arguments: shapes.prefix(2))
  func convolved(_ shape: Shape) {
    let together = SpatialCase(shape, outputs: shape.channels, dilation: 1)
    let alone = (0..<shape.images).map { SpatialCase(together, image: $0) }
    let same = bits(together.forward(workers)) == alone.flatMap { bits($0.forward(workers)) }
    #expect(same)
  }
}
