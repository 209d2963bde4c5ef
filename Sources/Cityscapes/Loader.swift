import Foundation
import System
import Tensors

/// Decodes and augments ahead of the training loop, on threads of its own.
///
/// Batches come out in order and with the same contents whatever the number of threads. A file that cannot be used
/// surfaces at `next()` of the batch that it belongs to, after the batches before it.
package final class Loader: Sendable {
  /// What is done to the samples.
  package enum Transform: Sendable, Equatable {
    /// Resized, cropped and flipped at random.
    case augmented(seed: UInt64, epoch: Int, crop: Size)
    /// Cut or padded at the bottom and the right.
    case cut(to: Size)
    /// At their own size, one in each batch.
    case whole

    /// The size of all images, where it is known before they are.
    fileprivate var size: Size? {
      switch self {
      case .augmented(_, _, let crop), .cut(let crop): crop
      case .whole: nil
      }
    }
  }

  private let queue: LoaderQueue

  /// - Parameters:
  ///   - samples: the split, sorted.
  ///   - batches: the indices of the samples of each batch, in the order in which they are wanted.
  ///   - threads: how many decode at once; at least 1.
  ///   - ahead: how many batches may be ready or in work before they are asked for; at least 1.
  ///   - cache: where decoded images stay; must outlive the loader's threads, which end with `stop()`.
  ///   - loaded: told, on a thread of the loader, of each sample, and when it was begun and done, in seconds of
  ///     `Clock.now`.
  package init(
    samples: [SamplePaths], batches: [[Int]], transform: Transform, threads: Int = 1, prefetch: Int = 2,
    cache: (any ImageCache)? = nil,
    loaded: (@Sendable (SamplePaths, _ begin: Double, _ end: Double) -> Void)? = nil
  ) {
    precondition(threads >= 1 && prefetch >= 1)
    precondition(batches.allSatisfy { !$0.isEmpty }, "a batch holds at least one image")
    precondition(transform != .whole || batches.allSatisfy { $0.count == 1 }, "whole images come one at a time")
    let queue = LoaderQueue(
      samples: samples, batches: batches, transform: transform, threads: threads, prefetch: prefetch, cache: cache,
      loaded: loaded)
    self.queue = queue
    // The threads hold the queue, not the loader, so that letting go of the loader ends them.
    for _ in 0..<threads {
      SystemThread.start("gscnn loader") { queue.serve() }
    }
  }

  deinit { stop() }

  /// The next batch; waits for it where need be.
  /// - Returns: nil after the last one, or after `stop()`.
  /// - Throws: `ImageError`, naming the file, each time again once a sample of the next batch cannot be used.
  package func next() throws -> Batch? { try queue.next() }

  /// Ends the threads, each after the image that it is at, and waits for them, as letting go of the loader does too.
  package func stop() { queue.stop() }

  /// What loading has been so far.
  package struct Statistics: Codable, Sendable, Equatable {
    /// How long `next()` has had to wait, in seconds: near nothing where loading keeps up with training.
    package var secondsWaited = 0.0
    /// Images read from their files.
    package var decoded = 0
    /// Images that were in the cache.
    package var cached = 0

    package init(secondsWaited: Double = 0, decoded: Int = 0, cached: Int = 0) {
      self.secondsWaited = secondsWaited
      self.decoded = decoded
      self.cached = cached
    }
  }

  package var statistics: Statistics { queue.statistics }
}

/// What the threads of a loader and its consumer share.
private final class LoaderQueue: @unchecked Sendable {
  // Unchecked: every variable is touched with `condition` locked.

  private let samples: [SamplePaths]
  private let batches: [[Int]]
  private let transform: Loader.Transform
  private let prefetch: Int
  private let cache: (any ImageCache)?
  private let loaded: (@Sendable (SamplePaths, Double, Double) -> Void)?

  private let condition = NSCondition()
  /// A sample of a batch, and its place there.
  private struct Job {
    var batch: Int
    var place: Int
  }
  /// A batch from its first sample taken up to its delivery.
  private struct Work {
    var builder: BatchBuilder?
    var samplesToDo: Int
  }
  private var nextJob = Job(batch: 0, place: 0)
  private var inWork: [Int: Work] = [:]
  private var delivered = 0
  private var failure: (batch: Int, error: any Error)?
  private var stopping = false
  private var liveThreads: Int
  private var soFar = Loader.Statistics()

  init(
    samples: [SamplePaths], batches: [[Int]], transform: Loader.Transform, threads: Int, prefetch: Int,
    cache: (any ImageCache)?, loaded: (@Sendable (SamplePaths, Double, Double) -> Void)?
  ) {
    self.samples = samples
    self.batches = batches
    self.transform = transform
    self.prefetch = prefetch
    self.cache = cache
    self.loaded = loaded
    liveThreads = threads
  }

  var statistics: Loader.Statistics { condition.withLock { soFar } }

  // MARK: The consumer's side

  func next() throws -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    let asked = Clock.now
    defer { soFar.secondsWaited += Clock.now - asked }
    while true {
      if stopping || delivered == batches.count { return nil }
      if let work = inWork[delivered], work.samplesToDo == 0, let builder = work.builder {
        inWork[delivered] = nil
        delivered += 1
        condition.broadcast()
        return builder.finished()
      }
      // A failure in a later batch does not keep this one from being finished: all its samples are taken up already.
      if let failure, failure.batch == delivered { throw failure.error }
      condition.wait()
    }
  }

  func stop() {
    condition.lock()
    stopping = true
    condition.broadcast()
    while liveThreads > 0 { condition.wait() }
    inWork = [:]
    condition.unlock()
  }

  // MARK: The threads' side

  func serve() {
    let reader = SampleReader()
    condition.lock()
    while let job = awaitedJob() {
      var builder = inWork[job.batch]?.builder
      condition.unlock()
      let begin = Clock.now
      let outcome = Result { try load(job, with: reader, into: &builder) }
      loaded?(samples[batches[job.batch][job.place]], begin, Clock.now)
      condition.lock()
      switch outcome {
      case .success(let source):
        soFar.decoded += source == .files ? 1 : 0
        soFar.cached += source == .cache ? 1 : 0
        inWork[job.batch]?.builder = builder
        inWork[job.batch]?.samplesToDo -= 1
      case .failure(let error):
        if job.batch < failure?.batch ?? Int.max { failure = (job.batch, error) }
      }
      condition.broadcast()
    }
    liveThreads -= 1
    condition.broadcast()
    condition.unlock()
  }

  /// The next sample to load, once its batch is near enough; nil when there is nothing more to do. Call it locked.
  private func awaitedJob() -> Job? {
    while !stopping, failure == nil, nextJob.batch < batches.count {
      guard nextJob.batch < delivered + prefetch else {
        condition.wait()
        continue
      }
      let job = nextJob
      let indices = batches[job.batch]
      if job.place == 0 {
        let builder = transform.size.map { BatchBuilder(indices: indices, size: $0) }
        inWork[job.batch] = Work(builder: builder, samplesToDo: indices.count)
      }
      let isLast = job.place + 1 == indices.count
      nextJob = isLast ? Job(batch: job.batch + 1, place: 0) : Job(batch: job.batch, place: job.place + 1)
      return job
    }
    return nil
  }

  private func load(
    _ job: Job, with reader: SampleReader, into builder: inout BatchBuilder?
  ) throws -> SampleReader.Source {
    let index = batches[job.batch][job.place]
    let crop = transform.size
    var augmentation = Augmentation.none
    let loaded = try reader.read(samples[index], index: index, cache: cache) { size in
      // Where the crop lies is known before anything is decoded, and only what it shows is.
      if case .augmented(let seed, let epoch, let crop) = transform {
        augmentation = .random(seed: seed, epoch: epoch, index: index, image: size, crop: crop)
      }
      return augmentation.source(of: size, crop: crop ?? size)
    } body: { [builder] sample in
      let target = builder ?? BatchBuilder(indices: [index], size: sample.size)
      target.fill(job.place, with: sample, augmentation)
      return target
    }
    builder = loaded.result
    return loaded.source
  }
}
