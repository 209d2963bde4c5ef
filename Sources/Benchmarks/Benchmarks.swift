import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Kernels
import Layers
import Tensors

/// Times pieces of the program on made-up data, for `gscnn bench`.
package enum Benchmarks {
  /// What a benchmark found: a line of JSON.
  package struct Result: Codable, Sendable {
    package var bench: String
    package var backbone: String?
    package var ranks = 1
    package var threads: Int
    package var images: Int?
    package var height: Int?
    package var width: Int?
    package var bytes: Int?
    /// Of each repetition, after one that is not counted.
    package var seconds: [Double]
    /// Largest resident size of this process.
    package var peakMb = Benchmarks.peakMegabytes()
    /// What the processor can do at most in single precision, measured just before.
    package var peakGflops: Double?
    /// Direct convolutions' arithmetic over the fastest repetition, as a share of that peak. Winograd's needs less
    /// arithmetic, so that more than 1 is possible.
    package var shareOfPeak: Double?
    package var gigabytesPerSecond: Double?
    package var imagesPerSecond: Double?
    /// Of a processor, where that is not the clock's: other programs do not count.
    package var cpuSecondsPerImage: Double?
    /// Of plain MPI_Allreduce on the same bytes, each repetition right after one of ours.
    package var plainSeconds: [Double]?
    package var plainGigabytesPerSecond: Double?
    /// Our bandwidth over the plain one: medians of both.
    package var ratioToPlain: Double?
    /// Of a step: sums of gradients over the ranks, from the first of a bucket to its last, added up.
    package var communicationSeconds: Double?
    /// Of a step: the wait, after the backward pass, for sums that were not done.
    package var waitedSeconds: Double?
    /// The share of the communication that computing hid.
    package var hiddenShare: Double?

    /// One line of JSON, the names in snake case.
    package var line: String {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.sortedKeys]
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      return (try? encoder.encode(self)).flatMap { String(data: $0, encoding: .utf8) } ?? ""
    }
  }

  /// Training steps on noise.
  package static func step(
    _ backbone: Backbone, batchSize: Int, size: Size, steps: Int, communicator: Communicator, workers: WorkerPool,
    profile: Profile?, timeline: Timeline? = nil
  ) -> Result {
    let share =
      (communicator.rank + 1) * batchSize / communicator.size - communicator.rank * batchSize / communicator.size
    let batch = Batch.noise(share, size)
    let replica = Replica(
      GatedSCNN(backbone, seed: 1), momentum: 0.9, weightDecay: 1e-4, batchNorm: .sync, communicator: communicator,
      workers: workers, timeline: timeline)
    let peak = PeakFLOPS.measure(on: workers)
    let counter = Profile()
    replica.profile = counter
    _ = replica.step(batch, rate: 0.01)
    let macs = counter.macs.values.reduce(0, +)
    replica.profile = profile
    let before = replica.communication
    let seconds = repeated(steps) { timeline.measure("step") { _ = replica.step(batch, rate: 0.01) } }
    var result = Result(
      bench: "step", backbone: backbone.rawValue, ranks: communicator.size, threads: workers.threads,
      images: batchSize,
      height: size.height, width: size.width, seconds: seconds, peakGflops: rounded(peak * 1e-9, to: 0.1),
      shareOfPeak: rounded(2 * macs / (seconds.min() ?? .infinity) / peak, to: 1e-4))
    guard communicator.size > 1 else { return result }
    let after = replica.communication
    let (summing, waiting) = (after.summing - before.summing, after.waiting - before.waiting)
    result.communicationSeconds = rounded(summing / Double(steps), to: 1e-6)
    result.waitedSeconds = rounded(waiting / Double(steps), to: 1e-6)
    result.hiddenShare = rounded(max(0, 1 - waiting / max(summing, 1e-12)), to: 1e-4)
    return result
  }

  /// Predictions of one whole image of noise.
  package static func evaluate(
    _ backbone: Backbone, size: Size, steps: Int, workers: WorkerPool, profile: Profile?
  ) -> Result {
    let model = GatedSCNN(backbone, seed: 1)
    let batch = Batch.noise(1, size)
    let peak = PeakFLOPS.measure(on: workers)
    let counter = Profile()
    _ = model.predict(batch, withLoss: false, on: workers, profile: counter)
    let macs = counter.macs.values.reduce(0, +)
    let seconds = repeated(steps) { _ = model.predict(batch, withLoss: false, on: workers, profile: profile) }
    return Result(
      bench: "evaluate", backbone: backbone.rawValue, threads: workers.threads, images: 1, height: size.height,
      width: size.width, seconds: seconds, peakGflops: rounded(peak * 1e-9, to: 0.1),
      shareOfPeak: rounded(2 * macs / (seconds.min() ?? .infinity) / peak, to: 1e-4))
  }

  /// Sums of an array of floats over the ranks: ours, whose order never changes, and plain MPI_Allreduce, in turn.
  package static func allReduce(bytes: Int, steps: Int, communicator: Communicator) -> Result {
    let floats = FloatSlice(count: max(bytes / 4, 1))
    floats.buffer.clear()
    let reduce = TreeAllReduce(communicator)
    func timed(_ sum: () -> Void) -> Double {
      communicator.barrier()
      let begin = Profile.now
      sum()
      return rounded(Profile.now - begin, to: 1e-6)
    }
    let times = (0...steps).map { _ in
      (
        timed { reduce.sum(floats.start, count: floats.count) },
        timed { communicator.mpiAllReduceSum(floats.start, count: floats.count) }
      )
    }.dropFirst()
    let (seconds, plain) = (times.map(\.0), times.map(\.1))
    var result = Result(bench: "allreduce", ranks: communicator.size, threads: 1, bytes: bytes, seconds: seconds)
    guard communicator.size > 1 else { return result }
    // What a rank must send and receive at least (Patarasuk and Yuan, 2009).
    let travelling = 2 * Double(communicator.size - 1) / Double(communicator.size) * Double(bytes)
    let rates = [seconds, plain].map { travelling / max(median($0), 1e-9) * 1e-9 }
    result.gigabytesPerSecond = rounded(rates[0], to: 1e-3)
    result.plainSeconds = plain
    result.plainGigabytesPerSecond = rounded(rates[1], to: 1e-3)
    result.ratioToPlain = rounded(rates[0] / rates[1], to: 1e-3)
    return result
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  static func repeated(_ count: Int, _ body: () throws -> Void) rethrows -> [Double] {
    try (0..<count).map { _ in
      let begin = Profile.now
      try body()
      return rounded(Profile.now - begin, to: 1e-6)
    }
  }

  /// Digits that mean something are enough of them.
  static func rounded(_ value: Double, to unit: Double) -> Double { (value / unit).rounded() / (1 / unit) }

  static func peakMegabytes() -> Int { usage.ru_maxrss / 1024 }

  /// Of all threads of this process, at work for it and in the system.
  static func cpuSeconds() -> Double {
    let usage = usage
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + 1e-6 * Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
  }

  private static var usage: rusage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage
  }
}

extension Batch {
  /// Noise in the place of images and labels.
  package static func noise(_ images: Int, _ size: Size) -> Batch {
    var random = RandomNumbers(named: "benchmark")
    let pixels = images * size.height * size.width
    return Batch(
      image: Tensor(Shape(images, size.height, size.width, 3), dense: (0..<3 * pixels).map { _ in random.normal() }),
      canny: Tensor(
        Shape(images, size.height, size.width, 1), dense: (0..<pixels).map { _ in random.uniform() > 0.9 ? 1 : 0 }),
      target: (0..<pixels).map { _ in UInt8(random.uniform(below: 19)) },
      boundary: (0..<pixels).map { _ in random.uniform() > 0.9 ? 1 : 0 }, indices: Array(0..<images))
  }
}
