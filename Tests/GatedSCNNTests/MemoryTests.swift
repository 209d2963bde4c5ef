import GatedSCNN
import Layers
import System
import Tensors
import Testing
import Training

/// What a step keeps, and that it does not grow. The table in Sources/README.md follows from the same numbers.
@Suite("Memory")
struct MemoryTests {
  private let workers = WorkerPool(threads: 2)

  @Test("Evaluation in bands gives the bits of evaluation in one piece", arguments: [1, 2])
  func bands(images: Int) {
    let network = GatedSCNN(.resnet50, seed: 0)
    FormulaValues.fill(network.store)
    let batch = FormulaValues.Batch(images, 61, 47)
    func output(tileFloats: Int) -> (logits: [Float], edge: [Float]) {
      let tape = Tape(.evaluation, workers: workers, tileFloats: tileFloats)
      let output = network(image: batch.image, canny: batch.canny, in: tape)
      return (output.logits.value.dense, output.edge.value.dense)
    }
    let whole = output(tileFloats: 1 << 30)
    // Bands of 8 rows, and of 24, 48 and (in one piece) 96.
    for floats in [1, 24 * images * 47 * 64] {
      let banded = output(tileFloats: floats)
      #expect(banded.edge == whole.edge, "\(floats)")
      #expect(banded.logits == whole.logits, "\(floats)")
    }
  }

  @Test("Kept for the backward pass are the convolutions' outputs and a few values more; sums and the gates' inside are not")
  func kept() {
    let network = GatedSCNN(.resnet50, seed: 0)
    network.store.allocateGradients()
    let profile = Profile()
    let tape = Tape(.training, workers: workers, profile: profile)
    let batch = FormulaValues.Batch(2, 32, 48)
    let output = network(image: batch.image, canny: batch.canny, in: tape)
    _ = JointLoss(of: output, target: batch.target, boundary: batch.boundary, in: tape)
    tape.backward()

    /// Channels kept at full resolution.
    func channels(_ part: Profile.Part, _ isThere: (String) -> Bool) -> Double {
      let bytes = profile.activations.outputs.filter { value in
        value.part == part && isThere(value.name ?? "none")
      }.reduce(0) { $0 + $1.bytes }
      return Double(bytes) / Double(4 * 2 * 32 * 48)
    }
    func stream(_ name: String) -> Bool { name.hasPrefix("shape_stream.") }
    // Two 3×3 convolutions a stage; what narrows the channels and the attention before its batch norm; at an eighth of
    // the size, the sides.
    #expect(channels(.winograd, stream) == 2 * (64 + 32 + 16))
    let narrow: Double = 32 + 16 + 8
    #expect(channels(.conv1x1, stream) == narrow + 3 + 3 / 64)
    #expect(channels(.batchNorm, stream) == 0)
    // What sigmoids put out: three attentions, the edge and the attention of the fusion.
    #expect(channels(.elementwise) { $0 == "none" } == 5)
    // A sum at the end of each of the backbone's stages.
    let sums: Double = 256.0 / 16 + (512 + 1024 + 2048) / 64
    #expect(channels(.batchNorm) { $0.hasPrefix("regular_stream.") } == sums)
    #expect(channels(.batchNorm) { !$0.hasPrefix("regular_stream.") } == 0)
  }

  #if compiler(>=6.2)
    @Test("From the third step on the network asks the system for no more memory")
    func steps() async {
      // In a process of its own: the pool is one for all tests that run at once.
      await #expect(processExitsWith: .success) {
        let network = GatedSCNN(.resnet50, seed: 0)
        FormulaValues.fill(network.store)
        network.store.allocateGradients()
        let optimizer = SGD(network.store)
        let workers = WorkerPool(threads: 2)
        let batch = FormulaValues.Batch(2, 16, 24)
        var seen: [[Int]] = []
        for _ in 0..<8 {
          let tape = Tape(.training, workers: workers)
          let output = network(image: batch.image, canny: batch.canny, in: tape)
          _ = JointLoss(of: output, target: batch.target, boundary: batch.boundary, in: tape)
          tape.backward()
          optimizer.step(rate: 0.01, on: workers)
          let pool = BufferPool.shared
          seen.append([pool.allocatedBytes, pool.systemAllocations])
        }
        #expect(seen[0][1] > 100, "the pool is what serves the step")
        #expect(Set(seen[2...]).count == 1, "\(seen)")
      }
    }
  #endif
}
