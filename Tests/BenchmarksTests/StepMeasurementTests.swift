import Benchmarks
import GatedSCNN
import Tensors
import Testing

@Suite("Measured step")
struct StepMeasurementTests {
  @Test("A step is split into passes, gradient buckets in the order of the backward pass, and small all-reduces")
  func measure() throws {
    let step = try StepMeasurement.measure(.resnet50, images: 2, size: Size(32, 32), workers: WorkerPool(threads: 1))
    #expect(step.gradientBytes >= 4 * GatedSCNN(.resnet50, seed: 1).store.parameterCount)
    #expect(step.buckets.map(\.ready) == step.buckets.map(\.ready).sorted())
    #expect(step.buckets.allSatisfy { $0.ready > 0 && $0.ready <= 1 })
    // The losses make two sums in the forward pass, and none in the backward pass.
    #expect(step.forwardSums.count == step.backwardSums.count + 2)
    #expect(step.forward > 0 && step.backward > 0 && step.update > 0 && step.fixedMegabytes > 450)
    let larger = step.scaled(to: Size(64, 64))
    #expect(larger.forward == 4 * step.forward && larger.update == step.update)
  }
}
