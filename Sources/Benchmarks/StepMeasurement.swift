import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Layers
import Microkernels
import System
import Tensors
import Training

/// Times, memory and communication of a training step, measured on a single rank of this machine.
package struct StepMeasurement: Codable, Sendable {
  /// Images of the step, and their size in pixels.
  package var images: Int
  package var height: Int
  package var width: Int
  package var threads: Int
  /// Seconds of the forward pass with the losses, of the backward pass, and of the update, which does not depend on the
  /// images.
  package var forward: Double
  package var backward: Double
  package var update: Double
  /// Resident megabytes of this process with parameters, gradients and momentum, and what the step adds at its peak.
  package var fixedMegabytes: Double
  package var stepMegabytes: Double
  /// In the order of their all-reduce.
  package var buckets: [Bucket]
  /// Bytes of each sum over the batch that the step waits for: batch statistics and losses.
  package var forwardSums: [Int]
  package var backwardSums: [Int]

  package struct Bucket: Codable, Sendable {
    package var bytes: Int
    /// The fraction of the backward pass after which its gradients are complete.
    package var ready: Double

    package init(bytes: Int, ready: Double) {
      self.bytes = bytes
      self.ready = ready
    }
  }

  package var gradientBytes: Int { buckets.reduce(0) { $0 + $1.bytes } }

  /// The same step on images of another size; the cost is proportional to the pixels.
  package func scaled(to size: Size) -> StepMeasurement {
    var scaled = self
    let factor = Double(size.height * size.width) / Double(height * width)
    (scaled.height, scaled.width) = (size.height, size.width)
    scaled.forward *= factor
    scaled.backward *= factor
    scaled.stepMegabytes *= factor
    return scaled
  }

  /// Scales forward and backward pass so that the step takes `seconds` on `threads` threads.
  package mutating func scale(to seconds: Double, threads: Int) {
    let factor = max(seconds - update, 0) / (forward + backward)
    forward *= factor
    backward *= factor
    self.threads = threads
  }

  package init(
    images: Int, height: Int, width: Int, threads: Int, forward: Double, backward: Double, update: Double,
    fixedMegabytes: Double, stepMegabytes: Double, buckets: [Bucket], forwardSums: [Int], backwardSums: [Int]
  ) {
    self.images = images
    self.height = height
    self.width = width
    self.threads = threads
    self.forward = forward
    self.backward = backward
    self.update = update
    self.fixedMegabytes = fixedMegabytes
    self.stepMegabytes = stepMegabytes
    self.buckets = buckets
    self.forwardSums = forwardSums
    self.backwardSums = backwardSums
  }

  /// Measures a step of the trainer on noise, after a warm-up step.
  package static func measure(
    _ backbone: Backbone, precision: Precision = .float32, images: Int, size: Size, workers: WorkerPool
  ) throws -> StepMeasurement {
    let model = GatedSCNN(backbone, seed: 1, precision: precision)
    let recorder = StepRecorder()
    let replica = Replica(
      model, momentum: 0.9, weightDecay: 1e-4, batchNorm: .sync, communicator: .single,
      gradientCommunicator: .single, workers: workers, crossReplicaSum: recorder)
    replica.observer = recorder
    let batch = Batch.noise(images, size)
    // Touches the pages of the momentum.
    replica.optimizer.step(learningRate: 0, on: workers)
    let fixed = residentMegabytes

    try ProgressLine.shared.during("measuring a step") {
      for _ in 0..<2 {
        recorder.begin()
        _ = try replica.step(batch, learningRate: 0)
      }
    }
    let end = Clock.now
    let backward = max(recorder.backwardEnd - recorder.forwardEnd, 1e-9)
    // A bucket also waits for the buckets before it.
    var ready = 0.0
    let buckets = GradientBuckets(model.store, communicator: .single).buckets.map { bucket in
      ready = bucket.parameters.reduce(ready) {
        max($0, ((recorder.gradientReady[$1] ?? recorder.backwardEnd) - recorder.forwardEnd) / backward)
      }
      return Bucket(bytes: bucket.floats.count * MemoryLayout<Float>.stride, ready: min(ready, 1))
    }
    return StepMeasurement(
      images: images, height: size.height, width: size.width, threads: workers.threads,
      forward: recorder.forwardEnd - recorder.start, backward: backward, update: end - recorder.backwardEnd,
      fixedMegabytes: fixed, stepMegabytes: max(0, Double(ProcessUsage.peakMegabytes) - fixed), buckets: buckets,
      forwardSums: Array(recorder.sums[..<recorder.forwardSums]),
      backwardSums: Array(recorder.sums[recorder.forwardSums...]))
  }

  /// Records the times of a step, and the sizes of its sums over the batch instead of summing them over ranks.
  private final class StepRecorder: StepObserver, CrossReplicaSum {
    private(set) var start = 0.0
    private(set) var forwardEnd = 0.0
    private(set) var backwardEnd = 0.0
    /// When each parameter's gradient was complete.
    private(set) var gradientReady: [Int: Double] = [:]
    /// Bytes of each sum, those of the forward pass first.
    private(set) var sums: [Int] = []
    private(set) var forwardSums = 0

    func begin() {
      gradientReady = [:]
      sums = []
      start = Clock.now
    }

    func forwardEnded() {
      forwardEnd = Clock.now
      forwardSums = sums.count
    }

    func gradientReady(_ parameter: Int) { gradientReady[parameter] = Clock.now }

    func backwardEnded() { backwardEnd = Clock.now }

    func sum(_ values: inout [Double]) { sums.append(values.count * MemoryLayout<Double>.stride) }
  }

  /// The resident size of this process.
  private static var residentMegabytes: Double {
    let pages = Procfs.text(of: "/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
    return (pages ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE))) / 1e6
  }

  /// Seconds per byte of an all-reduce between ranks of a machine: a byte is copied in, copied out, and added.
  package static func memorySecondsPerByte() -> Double {
    // Much larger than the caches.
    let count = 8 << 20
    let arrays = (0..<3).map { _ in FloatSlice(count: count) }
    for floats in arrays { floats.buffer.clear() }
    let (own, shared, other) = (arrays[0].start, arrays[1].start, arrays[2].start)
    return (0..<5).map { _ in
      let begin = Clock.now
      shared.update(from: own, count: count)
      own.update(from: shared, count: count)
      for index in 0..<count { other[index] += own[index] }
      return (Clock.now - begin) / Double(count * MemoryLayout<Float>.stride)
    }.min() ?? 0
  }
}
