import Foundation
import GatedSCNN
import Images
import Inference
import Kernels
import Layers
import Tensors
import Testing
import Weights

/// Scales, mirrored images and windows, compared with PyTorch's statement of them (`make_augmented_views.py`).
@Suite("Test-time augmentation and windows", .serialized)
struct TestTimeAugmentationTests {
  // Not isolated: evaluation changes nothing in the network.
  nonisolated(unsafe) private static let network = {
    let network = GatedSCNN(.resnet50, seed: 0)
    FormulaValues.fill(network.store)
    // Probabilities far from 1/19, where a mean of logits is another one.
    for parameter in network.store.parameters where parameter.name == "seg.6.weight" {
      for index in 0..<parameter.value.count { parameter.value[index] *= 16 }
    }
    return network
  }()

  /// Blocks of one color, as in `make_augmented_views.py`.
  private static let image = {
    let size = Size(44, 61)
    let columns = 16
    let blocks = FormulaValues.uniform("versions.image", 11 * columns * 3).map {
      UInt8((($0 + 1) * 128).rounded(.down))
    }
    let pixels = (0..<size.height * size.width * 3).map { index -> UInt8 in
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: 3)
      return blocks[(pixel / size.width / 4 * columns + pixel % size.width / 4) * 3 + channel]
    }
    return Image(size, channels: 3, pixels: pixels)
  }()

  private static let cases: [String: InferenceOptions] = [
    "flip": InferenceOptions(flip: true),
    "scales": InferenceOptions(scales: [0.5, 1, 2], flip: true),
    "window": InferenceOptions(window: Size(32, 24), overlap: 10),
    "wide-overlap": InferenceOptions(window: Size(40, 32), overlap: 24),
    "all": InferenceOptions(scales: [0.75, 1, 1.3], flip: true, window: Size(32, 40), overlap: 7),
  ]

  private func predict(
    _ options: InferenceOptions, threads: Int = 2, keepsProbabilities: Bool = false
  ) throws -> ImagePredictor.Prediction {
    try ImagePredictor(Self.network, options, workers: WorkerPool(threads: threads)).predict(
      Self.image, from: "image", keepsProbabilities: keepsProbabilities)
  }

  @Test("Probabilities and classes are PyTorch's within rounding", arguments: cases.keys.sorted())
  func parity(name: String) throws {
    let file = try Safetensors(contentsOf: fixtures.appendingPathComponent("augmented_views.safetensors").path)
    let expected = try file.floats(name)
    let result = try predict(try #require(Self.cases[name]), keepsProbabilities: true)
    let map = try #require(result.probabilities)
    let pixels = Array(stride(from: 0, to: result.classes.count, by: 37))
    let ours = pixels.flatMap { pixel in (0..<19).map { map.probability(of: $0, at: pixel) } }
    try #require(ours.count == expected.count)
    let distance = zip(ours, expected).map { abs($0 - $1) }.max() ?? 1
    #expect(distance < 2e-5, "largest distance \(distance)")
    // Every pixel's class is the best one by our own probabilities, and PyTorch's at each of the compared pixels.
    for (index, pixel) in pixels.enumerated() {
      let values = expected[index * 19..<(index + 1) * 19]
      let best = try #require(values.max())
      let rest = values.sorted().dropLast().last ?? 0
      if best - rest > 4e-5 {
        #expect(values.firstIndex(of: best).map { $0 - index * 19 } == Int(result.classes[pixel]))
      }
    }
    #expect(Set(result.classes).count > 1)
  }

  @Test("Threads change no bit, and keeping the probabilities changes no class")
  func threads() throws {
    for (name, options) in Self.cases {
      let alone = try predict(options, threads: 1, keepsProbabilities: true)
      let several = try predict(options, threads: 3, keepsProbabilities: true)
      #expect(alone.classes == several.classes, "\(name)")
      #expect(try predict(options).classes == alone.classes, "\(name)")
      let (first, second) = (try #require(alone.probabilities), try #require(several.probabilities))
      let differs = alone.classes.indices.contains { pixel in
        (0..<19).contains { first.probability(of: $0, at: pixel) != second.probability(of: $0, at: pixel) }
      }
      #expect(!differs, "\(name)")
    }
  }

  @Test("One scale, and a window as large as the image, give the prediction of the whole image")
  func whole() throws {
    let plain = try predict(InferenceOptions()).classes
    #expect(try predict(InferenceOptions(window: Self.image.size)).classes == plain)
    #expect(try predict(InferenceOptions(window: Size(100, 61), overlap: 20)).classes == plain)
  }

  #if compiler(>=6.2)
    @Test("In windows an image of four times the height takes no more memory for activations")
    func memory() async {
      // In its own process, because concurrent tests share one pool.
      await #expect(processExitsWith: .success) {
        let network = GatedSCNN(.resnet50, seed: 0)
        let workers = WorkerPool(threads: 2)
        func peak(height: Int, _ window: Size?) throws -> Int {
          let image = Image(Size(height, 96), channels: 3, filledWith: 100)
          BufferPool.shared.resetPeak()
          let options = InferenceOptions(window: window, overlap: window == nil ? 0 : 16)
          _ = try ImagePredictor(network, options, workers: workers).predict(image, from: "image")
          return BufferPool.shared.peakBytes - BufferPool.shared.liveBytes
        }
        let window = Size(64, 64)
        _ = try peak(height: 160, window)
        let (low, high, whole) = try (peak(height: 160, window), peak(height: 640, window), peak(height: 640, nil))
        #expect(high == low, "\(low) \(high) \(whole)")
        // Workspaces of convolutions come on top of both.
        #expect(2 * whole > 3 * low, "\(low) \(high) \(whole)")
      }
    }
  #endif

  @Test("The mirror image gives the mirrored prediction if both are averaged")
  func mirrored() throws {
    let options = InferenceOptions(flip: true, window: Size(40, 61), overlap: 8)
    let mirrored = try ImagePredictor(Self.network, options, workers: WorkerPool(threads: 2)).predict(
      Self.image.mirrored, from: "image")
    let back = Image(Self.image.size, channels: 1, pixels: mirrored.classes).mirrored
    #expect(try back.pixels == predict(options).classes)
  }
}
