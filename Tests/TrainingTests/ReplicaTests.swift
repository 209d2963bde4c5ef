import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Steps")
  struct ReplicaTests {
    @Test("The number of threads changes no bit of a step")
    func threads() throws {
      let batch = try batch(of: 4)
      func trained(threads: Int) throws -> [[UInt32]] {
        let replica = try replica(threads: threads)
        let losses = (0..<2).map { _ in replica.step(batch, rate: 0.01).loss.total }
        let store = replica.model.store
        return [store.values, store.running, replica.optimiser.velocities, Floats(losses.map(Float.init))]
          .map { $0.values.map(\.bitPattern) }
      }
      let one = try trained(threads: 1)
      #expect(try trained(threads: 2) == one)
      #expect(try trained(threads: 3) == one)
    }

    @Test("Two pictures are learnt: the loss falls by a fifth within a few steps")
    func learns() throws {
      let batch = try batch(of: 2)
      let replica = try replica(threads: 2)
      let losses = (0..<16).map { _ in replica.step(batch, rate: 0.01).loss.total }
      #expect(losses[0] > 5, "19 classes by chance and a boundary: ln 19 at least, and twice where edges are seen")
      #expect(losses[15] < 0.8 * losses[0], "\(losses)")
      #expect(losses.allSatisfy { $0.isFinite })
    }

    private func batch(of pictures: Int) throws -> Batch {
      let samples = try FolderLayout(root: Trainings.streets.get()).samples(of: .train)
      return Batch(
        try (0..<pictures).map { (try Sample.read(samples[$0], index: $0), .none) }, crop: Size(32, 48))
    }

    private func replica(threads: Int) throws -> Replica {
      Replica(
        GatedSCNN(.resnet50, seed: 1), momentum: 0.9, weightDecay: 1e-4, batchNorm: .sync,
        communicator: try Communicator.start(), workers: WorkerPool(threads: threads))
    }
  }
}
