import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Microkernels
import System
import Tensors
import Training
import Weights

extension Benchmarks {
  /// Times what a checkpoint costs a training on noise: how long a step waits for it, how long it is written, and how
  /// much it slows the step beside it. Collective; rank 0 writes.
  ///
  /// - Parameters:
  ///   - steps: repetitions, after one warm-up.
  ///   - folder: where rank 0 creates a temporary folder for checkpoints.
  package static func checkpoint(
    _ backbone: Backbone, precision: Precision = .float32, batchSize: Int, size: Size, steps: Int, folder: String,
    communicator: Communicator,
    workers: WorkerPool
  ) throws -> BenchmarkResult {
    let sampler = try communicator.collectively {
      try DistributedBatchSampler(
        samples: batchSize, batchSize: batchSize, ranks: communicator.size, order: .byFileName)
    }
    let batch = Batch.noise(sampler.share(of: communicator.rank).count, size)
    let replica = Replica(
      GatedSCNN(backbone, seed: 1, precision: precision), momentum: 0.9, weightDecay: 1e-4, batchNorm: .sync,
      communicator: communicator, gradientCommunicator: communicator.duplicate(), workers: workers)
    let consensus = Consensus(communicator)
    let path = "\(folder)/gscnn-bench-\(getpid())"
    defer { if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: path) } }
    let store = communicator.rank == 0 ? try CheckpointStore(folder: path, keep: 1) : nil

    var saved = 0
    func step() throws { _ = try replica.step(batch, learningRate: 0.01) }
    /// As the trainer does between two steps.
    func save() throws {
      let (network, velocities) = (replica.model.store, replica.optimizer.velocities)
      try consensus.requireEqualReplicas(network, velocities: velocities, on: workers)
      saved += 1
      try store?.save(network, velocities: velocities, step: saved, state: saved, on: workers)
    }
    func timed(_ body: () throws -> Void) rethrows -> Double { try repeated(1, body)[0] }

    var times: [(step: Double, wait: Double, write: Double, stepBeside: Double)] = []
    for _ in 0...steps {
      communicator.barrier()
      let plain = try timed(step)
      let wait = try timed(save)
      let write = try timed { try store?.finish() }
      communicator.barrier()
      try save()
      let beside = try timed(step)
      try store?.finish()
      times.append((plain, wait, write, beside))
    }
    times.removeFirst()
    var result = BenchmarkResult(
      bench: "checkpoint", backbone: backbone.rawValue, precision: precision.rawValue, ranks: communicator.size,
      threads: workers.threads,
      images: batchSize, height: size.height, width: size.width, seconds: times.map(\.wait))
    result.writeSeconds = times.map(\.write)
    result.stepSeconds = times.map(\.step)
    result.stepSecondsWhileWriting = times.map(\.stepBeside)
    result.shareOfStep = rounded(median(times.map(\.wait)) / median(times.map(\.step)), to: 1e-5)
    return result
  }
}
