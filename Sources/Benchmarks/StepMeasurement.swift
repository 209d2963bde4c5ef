import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Layers
import Tensors

/// What a training step does and takes on one rank of this machine, without another rank.
package struct StepMeasurement: Codable, Sendable {
  /// Images of the step, and their pixels.
  package var images: Int
  package var height: Int
  package var width: Int
  package var threads: Int
  /// Seconds of the way to the losses, of the backward pass, and of the update, which does not depend on the images.
  package var forward: Double
  package var backward: Double
  package var update: Double
  /// Megabytes of this process with parameters, gradients and momentum, and what the step had on top at most.
  package var fixedMegabytes: Double
  package var stepMegabytes: Double
  /// In the order in which they are summed.
  package var buckets: [Bucket]
  /// Bytes of each sum over the batch that the step waits for: of batch norm and of the losses.
  package var forwardSums: [Int]
  package var backwardSums: [Int]

  package struct Bucket: Codable, Sendable {
    package var bytes: Int
    /// The share of the backward pass after which its gradients are complete.
    package var ready: Double

    package init(bytes: Int, ready: Double) {
      self.bytes = bytes
      self.ready = ready
    }
  }

  package var gradientBytes: Int { buckets.reduce(0) { $0 + $1.bytes } }

  /// The same step on images of another size, the cost of which goes by their pixels.
  package func scaled(to size: Size) -> StepMeasurement {
    var scaled = self
    let factor = Double(size.height * size.width) / Double(height * width)
    (scaled.height, scaled.width) = (size.height, size.width)
    scaled.forward *= factor
    scaled.backward *= factor
    scaled.stepMegabytes *= factor
    return scaled
  }

  /// Makes it a step that took so long altogether on so many threads.
  package mutating func scale(to seconds: Double, threads: Int) {
    let factor = max(seconds - update, 0) / (forward + backward)
    forward *= factor
    backward *= factor
    self.threads = threads
  }

  /// Measures a step of noise, after one that is not counted.
  package init(_ backbone: Backbone, images: Int, size: Size, workers: WorkerPool) {
    let model = GatedSCNN(backbone, seed: 1)
    let store = model.store
    store.allocateGradients()
    let optimizer = SGD(store, momentum: 0.9, weightDecay: 1e-4)
    let batch = Batch.noise(images, size)
    optimizer.step(rate: 0, on: workers)
    let fixed = Self.residentMegabytes

    var marks: (start: Double, forward: Double, backward: Double, end: Double) = (0, 0, 0, 0)
    var complete: [Int: Double] = [:]
    let sums = SumRecorder()
    var forwardSums = 0
    for _ in 0..<2 {
      complete = [:]
      sums.bytes = []
      marks.start = Profile.now
      let tape = Tape(.training, workers: workers, reduction: sums) { complete[$0.index] = Profile.now }
      let output = model(image: batch.image, canny: batch.canny, in: tape)
      _ = JointLoss(of: output, target: batch.target, boundary: batch.boundary, over: sums, in: tape)
      marks.forward = Profile.now
      forwardSums = sums.bytes.count
      tape.backward()
      marks.backward = Profile.now
      optimizer.step(rate: 0, on: workers)
      marks.end = Profile.now
    }
    let back = max(marks.backward - marks.forward, 1e-9)
    // A bucket also waits for those before it.
    var ready = 0.0
    buckets = GradientBuckets(store, communicator: .single).buckets.map { bucket in
      ready = bucket.parameters.reduce(ready) { max($0, ((complete[$1] ?? marks.backward) - marks.forward) / back) }
      return Bucket(bytes: bucket.floats.count * MemoryLayout<Float>.stride, ready: min(ready, 1))
    }
    self.forwardSums = Array(sums.bytes[..<forwardSums])
    backwardSums = Array(sums.bytes[forwardSums...])
    (self.images, height, width, threads) = (images, size.height, size.width, workers.threads)
    (forward, backward) = (marks.forward - marks.start, back)
    update = marks.end - marks.backward
    fixedMegabytes = fixed
    stepMegabytes = max(0, Double(Benchmarks.peakMegabytes()) - fixed)
  }

  /// Counts the sums that ranks would make, and leaves them to nobody.
  private final class SumRecorder: CrossReplicaSum {
    var bytes: [Int] = []
    let ranks = 1
    func sum(_ values: inout [Double]) { bytes.append(values.count * MemoryLayout<Double>.stride) }
  }

  /// What this process has in memory now.
  private static var residentMegabytes: Double {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
      .dropFirst().first.flatMap { Double($0) }
    return (pages ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE))) / 1e6
  }

  /// Seconds that a byte takes from one rank to another in the memory of a machine: it is copied there, copied from there,
  /// and added.
  package static func memorySecondsPerByte() -> Double {
    // Far more than a cache holds.
    let count = 8 << 20
    let arrays = (0..<3).map { _ in FloatSlice(count: count) }
    for floats in arrays { floats.buffer.clear() }
    let (mine, between, theirs) = (arrays[0].start, arrays[1].start, arrays[2].start)
    return (0..<5).map { _ in
      let begin = Profile.now
      between.update(from: mine, count: count)
      mine.update(from: between, count: count)
      for index in 0..<count { theirs[index] += mine[index] }
      return (Profile.now - begin) / Double(count * MemoryLayout<Float>.stride)
    }.min() ?? 0
  }
}
