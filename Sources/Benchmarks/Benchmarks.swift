import Cityscapes
import Distributed
import GatedSCNN
import Inference
import Kernels
import Layers
import Microkernels
import System
import Tensors
import Training

/// Times parts of the program on synthetic data, for `gscnn bench`.
package enum Benchmarks {
  /// Times training steps on noise: the trainer's step, on this rank's share of the batch. Collective.
  ///
  /// - Parameter reduce: the precision of the gradients in messages.
  package static func step(
    _ backbone: Backbone, precision: Precision = .float32, reduce: Precision = .float32,
    classes: Int = GatedSCNN.cityscapesClasses,
    loss: JointLoss.Configuration = JointLoss.Configuration(), batchSize: Int, groups: BatchNormGroups? = nil,
    size: Size, steps: Int, communicator: Communicator, workers: WorkerPool, profile: Profile?,
    timeline: Timeline? = nil
  ) throws -> BenchmarkResult {
    let sampler = try communicator.collectively {
      try DistributedBatchSampler(
        samples: batchSize, batchSize: batchSize, ranks: communicator.size, order: .byFileName)
    }
    let batch = Batch.noise(sampler.share(of: communicator.rank).count, size, classes: classes)
    let replica = Replica(
      GatedSCNN(backbone, classes: classes, seed: 1, precision: precision), momentum: 0.9, weightDecay: 1e-4,
      batchNorm: .sync,
      groups: groups, loss: loss, communicator: communicator, gradientCommunicator: communicator.duplicate(),
      gradientTransport: reduce, workers: workers, timeline: timeline)
    let peak = PeakFLOPS.measure(on: workers)
    let roundedPeak = precision == .bfloat16 ? PeakFLOPS.measure(.bfloat16, on: workers) : nil
    let counter = Profile()
    replica.profile = counter
    try ProgressLine.shared.during("warming up") { _ = try replica.step(batch, learningRate: 0.01) }
    let macs = counter.macs.values.reduce(0, +)
    replica.profile = profile
    let before = replica.communication
    let seconds = try repeated(steps) {
      try timeline.measure("step") { _ = try replica.step(batch, learningRate: 0.01) }
    }
    var result = BenchmarkResult(
      bench: "step", backbone: backbone.rawValue, precision: precision.rawValue, ranks: communicator.size,
      threads: workers.threads,
      images: batchSize, height: size.height, width: size.width, seconds: seconds,
      peakGflops: rounded(peak * 1e-9, to: 0.1),
      peakBfloat16Gflops: roundedPeak.map { rounded($0 * 1e-9, to: 0.1) },
      shareOfPeak: rounded(2 * macs / (seconds.min() ?? .infinity) / peak, to: 1e-4))
    guard communicator.size > 1 else { return result }
    result.reduce = reduce.rawValue
    let after = replica.communication
    let (summing, waiting) = (after.summing - before.summing, after.waiting - before.waiting)
    result.communicationSeconds = rounded(summing / Double(steps), to: 1e-6)
    result.waitedSeconds = rounded(waiting / Double(steps), to: 1e-6)
    result.hiddenShare = rounded(max(0, 1 - waiting / max(summing, 1e-12)), to: 1e-4)
    return result
  }

  /// Times the prediction of one whole image of noise.
  package static func evaluate(
    _ backbone: Backbone, precision: Precision = .float32, classes: Int = GatedSCNN.cityscapesClasses, size: Size,
    steps: Int, workers: WorkerPool,
    profile: Profile?
  ) -> BenchmarkResult {
    let model = GatedSCNN(backbone, classes: classes, seed: 1, precision: precision)
    let batch = Batch.noise(1, size)
    let peak = PeakFLOPS.measure(on: workers)
    let roundedPeak = precision == .bfloat16 ? PeakFLOPS.measure(.bfloat16, on: workers) : nil
    let counter = Profile()
    ProgressLine.shared.during("warming up") {
      _ = model.predict(batch, withLoss: false, on: workers, profile: counter)
    }
    let macs = counter.macs.values.reduce(0, +)
    let seconds = repeated(steps) { _ = model.predict(batch, withLoss: false, on: workers, profile: profile) }
    return BenchmarkResult(
      bench: "evaluate", backbone: backbone.rawValue, precision: precision.rawValue, threads: workers.threads,
      images: 1,
      height: size.height, width: size.width, seconds: seconds, peakGflops: rounded(peak * 1e-9, to: 0.1),
      peakBfloat16Gflops: roundedPeak.map { rounded($0 * 1e-9, to: 0.1) },
      shareOfPeak: rounded(2 * macs / (seconds.min() ?? .infinity) / peak, to: 1e-4))
  }

  /// Times all-reduces of an array of floats: ours, with its fixed order of summation, and plain MPI_Allreduce, in turn.
  /// Collective.
  ///
  /// - Parameters:
  ///   - bytes: of the floats, whatever their precision in messages; the bandwidth counts them too.
  ///   - reduce: the precision of the floats in our messages.
  package static func allReduce(
    bytes: Int, reduce precision: Precision = .float32, steps: Int, communicator: Communicator
  ) -> BenchmarkResult {
    let floats = FloatSlice(count: max(bytes / 4, 1))
    floats.buffer.clear()
    let reduce = TreeAllReduce(communicator, transport: precision)
    func timed(_ sum: () -> Void) -> Double {
      communicator.barrier()
      let begin = Clock.now
      sum()
      return rounded(Clock.now - begin, to: 1e-6)
    }
    let times = (0...steps).map { _ in
      (
        timed { reduce.sum(floats.start, count: floats.count) },
        timed { communicator.mpiAllReduceSum(floats.start, count: floats.count) }
      )
    }.dropFirst()
    let (seconds, plain) = (times.map(\.0), times.map(\.1))
    var result = BenchmarkResult(
      bench: "allreduce", reduce: precision.rawValue, ranks: communicator.size, threads: 1, bytes: bytes,
      seconds: seconds)
    guard communicator.size > 1 else { return result }
    // The least that a rank must send and receive (Patarasuk and Yuan, 2009).
    let sent = 2 * Double(communicator.size - 1) / Double(communicator.size) * Double(bytes)
    let bandwidths = [seconds, plain].map { sent / max(median($0), 1e-9) * 1e-9 }
    result.gigabytesPerSecond = rounded(bandwidths[0], to: 1e-3)
    result.plainSeconds = plain
    result.plainGigabytesPerSecond = rounded(bandwidths[1], to: 1e-3)
    result.ratioToPlain = rounded(bandwidths[0] / bandwidths[1], to: 1e-3)
    return result
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// The seconds of each of `count` calls.
  static func repeated(_ count: Int, _ body: () throws -> Void) rethrows -> [Double] {
    try ProgressLine.shared.during("timing", of: count, unit: "repetitions") {
      try (0..<count).map { _ in
        let begin = Clock.now
        try body()
        let seconds = Clock.now - begin
        ProgressLine.shared.advance()
        return rounded(seconds, to: 1e-6)
      }
    }
  }

  static func rounded(_ value: Double, to unit: Double) -> Double { BenchmarkResult.rounded(value, to: unit) }
}

extension Batch {
  /// Noise in place of images and labels.
  package static func noise(_ images: Int, _ size: Size, classes: Int = GatedSCNN.cityscapesClasses) -> Batch {
    var random = RandomNumbers(named: "benchmark")
    let pixels = images * size.height * size.width
    return Batch(
      image: Tensor(Shape(images, size.height, size.width, 3), dense: (0..<3 * pixels).map { _ in random.normal() }),
      canny: Tensor(
        Shape(images, size.height, size.width, 1), dense: (0..<pixels).map { _ in random.uniform() > 0.9 ? 1 : 0 }),
      target: (0..<pixels).map { _ in UInt8(random.uniform(below: classes)) },
      boundary: (0..<pixels).map { _ in random.uniform() > 0.9 ? 1 : 0 }, indices: Array(0..<images))
  }
}
