import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Layers
import Microkernels
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Training step")
  struct ReplicaTests {
    @Test("A step has the same bits on any number of threads", arguments: Precision.allCases)
    func threads(_ precision: Precision) throws {
      let batch = try batch(of: 4)
      func trained(threads: Int) throws -> [[UInt32]] {
        let replica = try replica(threads: threads, precision)
        let losses = try (0..<2).map { _ in try replica.step(batch, learningRate: 0.01).loss.total }
        let store = replica.model.store
        return [store.values, store.running, replica.optimizer.velocities, FloatSlice(losses.map(Float.init))]
          .map { $0.values.map(\.bitPattern) }
      }
      let one = try trained(threads: 1)
      #expect(try trained(threads: 2) == one)
      #expect(try trained(threads: 3) == one)
    }

    @Test("The loss of two images falls by a fifth within 16 steps", arguments: Precision.allCases)
    func learns(_ precision: Precision) throws {
      let batch = try batch(of: 2)
      let replica = try replica(threads: 2, precision)
      let losses = try (0..<16).map { _ in try replica.step(batch, learningRate: 0.01).loss.total }
      #expect(losses[0] > 5, "an untrained network: ln 19 at least, and twice where it predicts edges")
      #expect(losses[15] < 0.8 * losses[0], "\(losses)")
      #expect(losses.allSatisfy { $0.isFinite })
    }

    @Test("Gradient buckets are ready in the order of the backward pass")
    func bucketOrder() throws {
      let batch = try batch(of: 2)
      let model = GatedSCNN(.resnet50, seed: 1)
      model.store.allocateGradients()
      var order: [Int] = []
      let tape = Tape(.training, workers: WorkerPool(threads: 2)) { order.append($0.index) }
      _ = JointLoss.evaluateAndAddGradients(
        model(image: batch.image, canny: batch.canny, in: tape), target: batch.target, boundary: batch.boundary,
        on: tape.workers)
      tape.backward()

      let parameters = model.store.parameters
      let buckets = GradientBuckets.cut(parameters.map { $0.offset..<$0.offset + $0.layout.count }, .standard)
      var place = [Int](repeating: parameters.count, count: parameters.count)
      for (index, parameter) in order.enumerated() { place[parameter] = index + 1 }
      var before = 0
      for bucket in buckets {
        before += bucket.parameters.count
        let complete = try #require(bucket.parameters.map { place[$0] }.max())
        #expect(complete <= before + 4, "bucket of \(parameters[bucket.parameters.lowerBound].name)")
      }
      let bytes = buckets.map { 4 * $0.floats.count }
      #expect(try #require(bytes.first) < 3 << 20, "communication starts early")
      #expect(try #require(bytes.last) < 1 << 20, "the last all-reduce cannot be overlapped")
    }

    private func batch(of images: Int) throws -> Batch {
      let samples = try CityscapesDirectory(root: Trainings.streets.get()).samples(of: .train)
      return Batch(
        try (0..<images).map { (try Sample.read(samples[$0], index: $0), .none) }, crop: Size(32, 48),
        normalization: .imagenet)
    }

    private func replica(threads: Int, _ precision: Precision) throws -> Replica {
      let communicator = try Communicator.initialize()
      return Replica(
        GatedSCNN(.resnet50, seed: 1, precision: precision), momentum: 0.9, weightDecay: 1e-4, batchNorm: .sync,
        communicator: communicator, gradientCommunicator: communicator.duplicate(),
        workers: WorkerPool(threads: threads))
    }
  }
}
