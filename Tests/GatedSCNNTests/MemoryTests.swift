import GatedSCNN
import Kernels
import Layers
import System
import Tensors
import Testing
import Training

/// What a step saves for the backward pass, and that memory does not grow. The table in `Memory.md` of the DocC catalog
/// follows from the same numbers.
@Suite("Memory")
struct MemoryTests {
  private let workers = WorkerPool(threads: 2)

  @Test("Evaluation in row tiles gives the same bits as evaluation of whole images", arguments: [1, 2])
  func rowTiles(images: Int) {
    let network = GatedSCNN(.resnet50, seed: 0)
    FormulaValues.fill(network.store)
    let batch = FormulaValues.Batch(images, 61, 47)
    func output(tileFloats: Int) -> (logits: [Float], edge: [Float]) {
      let tape = Tape(.evaluation, workers: workers, tileFloats: tileFloats)
      let output = network(image: batch.image, canny: batch.canny, in: tape)
      return (output.logits.value.dense, output.edge.value.dense)
    }
    let whole = output(tileFloats: 1 << 30)
    // Tiles of 8 rows in all stages; and of 24, 48 and 96 (no tiles) in the three stages.
    for floats in [1, 24 * images * 47 * 64] {
      let tiled = output(tileFloats: floats)
      #expect(tiled.edge == whole.edge, "\(floats)")
      #expect(tiled.logits == whole.logits, "\(floats)")
    }
  }

  @Test("Saved for the backward pass: convolution outputs and a few more; not residual sums, not the inside of gates")
  func savedTensors() {
    let network = GatedSCNN(.resnet50, seed: 0)
    network.store.allocateGradients()
    let profile = Profile()
    let tape = Tape(.training, workers: workers, profile: profile)
    let batch = FormulaValues.Batch(2, 32, 48)
    let output = network(image: batch.image, canny: batch.canny, in: tape)
    _ = JointLoss.evaluateAndAddGradients(
      output, target: batch.target, boundary: batch.boundary, on: workers)
    tape.backward()

    /// Saved channels, in units of full resolution.
    func channels(_ part: Profile.Part, _ isIncluded: (String) -> Bool) -> Double {
      let bytes = profile.activations.outputs.filter { value in
        value.part == part && isIncluded(value.name ?? "none")
      }.reduce(0) { $0 + $1.bytes }
      return Double(bytes) / Double(4 * 2 * 32 * 48)
    }
    func stream(_ name: String) -> Bool { name.hasPrefix("shape_stream.") }
    // Two 3×3 convolutions a stage; the reduction of the channels; the attention before its batch norm; the side
    // outputs at an eighth of the size.
    #expect(channels(.winograd, stream) == 2 * (64 + 32 + 16))
    let reduction: Double = 32 + 16 + 8
    #expect(channels(.conv1x1, stream) == reduction + 3 + 3 / 64)
    #expect(channels(.batchNorm, stream) == 0)
    // Outputs of sigmoids: the attention of three gates, the edge and the fusion attention.
    #expect(channels(.elementwise) { $0 == "none" } == 5)
    // The last residual sum of each backbone stage.
    let sums: Double = 256.0 / 16 + (512 + 1024 + 2048) / 64
    #expect(channels(.batchNorm) { $0.hasPrefix("regular_stream.") } == sums)
    #expect(channels(.batchNorm) { !$0.hasPrefix("regular_stream.") } == 0)
  }

  #if compiler(>=6.2)
    @Test("From the third step on, a training step needs no more memory from the system")
    func steps() async {
      // In its own process, because concurrent tests share one pool.
      await #expect(processExitsWith: .success) {
        let network = GatedSCNN(.resnet50, seed: 0)
        FormulaValues.fill(network.store)
        network.store.allocateGradients()
        let optimizer = SGD(network.store)
        let workers = WorkerPool(threads: 2)
        let batch = FormulaValues.Batch(2, 16, 24)
        var full = JointLoss.Configuration()
        full.kind = .full
        full.mining = HardExampleMining()
        let noise = (0..<2).map { DualTaskLoss.noise(seed: 1, step: 0, sample: $0) }
        for configuration in [JointLoss.Configuration(), full] {
          var seen: [[Int]] = []
          for _ in 0..<8 {
            let tape = Tape(.training, workers: workers)
            let output = network(image: batch.image, canny: batch.canny, in: tape)
            _ = JointLoss.evaluateAndAddGradients(
              output, target: batch.target, boundary: batch.boundary, configuration, noise: noise, on: workers)
            tape.backward()
            optimizer.step(learningRate: 0.01, on: workers)
            let pool = BufferPool.shared
            seen.append([pool.residentBytes, pool.growthCount])
          }
          #expect(seen[0][1] > 100, "tensors come from the shared pool")
          #expect(Set(seen[2...]).count == 1, "\(seen)")
        }
      }
    }
  #endif
}
