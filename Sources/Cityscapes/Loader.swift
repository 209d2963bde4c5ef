import Foundation
import System
import Tensors

/// Loads batches on background threads, ahead of the training loop: decoding, augmentation, normalization.
///
/// From files to a batch:
///
///     CityscapesDirectory.samples  the files of a split, a `SamplePaths` for each sample
///     DistributedBatchSampler      the samples that each batch draws, a `SampleDraw` for each slot
///     SampleReader                 `open`: the size of an image, from its file or from an `ImageCache`
///     Augmentation                 scale, crop, flip, colors and blur, chosen for that size
///     SampleReader                 `read`: the rows that the crop needs, decoded by `PNGReader`: a `SampleView`
///     AugmentationTransform        resize, crop, change colors, normalize, flip, into one slot of a `BatchBuilder`
///     Batch                        the tensors and label maps of a step
///
/// Batches come out in order and with the same contents for any number of threads. An error in a file is thrown by
/// `next()` for the batch that needs the file, after the batches before it.
package final class Loader: Sendable {
  /// What is done to the samples.
  package enum Transform: Sendable, Equatable {
    /// Random scale, crop and flip, and what else the options say.
    case augmented(seed: UInt64, epoch: Int, crop: Size, AugmentationOptions = AugmentationOptions())
    /// Cropped or padded at the bottom and the right.
    case cropped(to: Size)
    /// At their own size, one per batch.
    case whole

    /// The size of all images, unless it depends on the image.
    fileprivate var size: Size? {
      switch self {
      case .augmented(_, _, let crop, _), .cropped(let crop): crop
      case .whole: nil
      }
    }
  }

  private let queue: LoaderQueue

  /// - Parameters:
  ///   - samples: the split, sorted.
  ///   - batches: the samples of each batch, in order. A sample may occur several times.
  ///   - classes: of the data set.
  ///   - normalization: of the images' bytes.
  ///   - threads: how many decode at once; at least 1.
  ///   - prefetch: how many batches may be loaded or begun before they are requested; at least 1.
  ///   - cache: keeps decoded images; must outlive the loader's threads, which end with `stop()`.
  ///   - loaded: called on a loader thread for each sample, with the times at which loading began and ended, in seconds
  ///     of the monotonic clock.
  package init(
    samples: [SamplePaths], batches: [[SampleDraw]], transform: Transform, classes: Int = Label.classCount,
    normalization: Normalization = .imagenet, threads: Int = 1, prefetch: Int = 2, cache: (any ImageCache)? = nil,
    loaded: (@Sendable (SamplePaths, _ begin: Double, _ end: Double) -> Void)? = nil
  ) {
    precondition(threads >= 1 && prefetch >= 1)
    precondition(batches.allSatisfy { !$0.isEmpty }, "a batch holds at least one image")
    precondition(transform != .whole || batches.allSatisfy { $0.count == 1 }, "whole images come one at a time")
    let queue = LoaderQueue(
      samples: samples, batches: batches, transform: transform, classes: classes, normalization: normalization,
      threads: threads, prefetch: prefetch, cache: cache, loaded: loaded)
    self.queue = queue
    // The threads retain the queue, not the loader, so that releasing the loader ends them.
    for _ in 0..<threads {
      SystemThread.start("gscnn loader") { queue.serve() }
    }
  }

  /// A loader of batches that are lists of indices. Each sample counts as drawn for the first time.
  package convenience init(
    samples: [SamplePaths], batches: [[Int]], transform: Transform, classes: Int = Label.classCount,
    normalization: Normalization = .imagenet, threads: Int = 1, prefetch: Int = 2, cache: (any ImageCache)? = nil
  ) {
    self.init(
      samples: samples, batches: batches.map { $0.map { SampleDraw(index: $0) } }, transform: transform,
      classes: classes, normalization: normalization, threads: threads, prefetch: prefetch, cache: cache)
  }

  deinit { stop() }

  /// Returns the next batch, waiting for it if necessary.
  /// - Returns: nil after the last batch or after `stop()`.
  /// - Throws: `ImageError` if a file of the next batch cannot be read; each further call throws it again.
  package func next() throws -> Batch? { try queue.next() }

  /// Ends the threads, each after its current image, and waits for them. Releasing the loader does the same.
  package func stop() { queue.stop() }

  /// Counters of the images loaded so far.
  package struct Statistics: Codable, Sendable, Equatable {
    /// Seconds that `next()` has waited: about 0 while loading keeps up with training.
    package var secondsWaited = 0.0
    /// Images decoded from their files.
    package var decoded = 0
    /// Images found in the cache.
    package var cached = 0

    package init(secondsWaited: Double = 0, decoded: Int = 0, cached: Int = 0) {
      self.secondsWaited = secondsWaited
      self.decoded = decoded
      self.cached = cached
    }
  }

  package var statistics: Statistics { queue.statistics }
}

/// The state that a loader's threads and its consumer share.
private final class LoaderQueue: @unchecked Sendable {
  // Unchecked: every variable is accessed with `condition` locked.

  private let samples: [SamplePaths]
  private let batches: [[SampleDraw]]
  private let transform: Loader.Transform
  private let classes: Int
  private let normalization: Normalization
  private let prefetch: Int
  private let cache: (any ImageCache)?
  private let loaded: (@Sendable (SamplePaths, Double, Double) -> Void)?

  /// A sample of a batch and its slot there.
  private struct Job {
    var batch: Int
    var slot: Int
  }
  /// A batch from its first job to its delivery.
  private struct PendingBatch {
    /// Nil until the size of the images is known.
    var builder: BatchBuilder?
    var missingSamples: Int
  }
  /// A condition variable, which `Synchronization` does not have: loader threads wait for room, the consumer for a
  /// batch, `stop` for the threads.
  private let condition = NSCondition()
  private var nextJob = Job(batch: 0, slot: 0)
  private var pending: [Int: PendingBatch] = [:]
  private var delivered = 0
  private var failure: (batch: Int, error: any Error)?
  private var stopping = false
  private var liveThreads: Int
  private var counters = Loader.Statistics()

  init(
    samples: [SamplePaths], batches: [[SampleDraw]], transform: Loader.Transform, classes: Int,
    normalization: Normalization, threads: Int, prefetch: Int,
    cache: (any ImageCache)?, loaded: (@Sendable (SamplePaths, Double, Double) -> Void)?
  ) {
    self.samples = samples
    self.batches = batches
    self.transform = transform
    self.classes = classes
    self.normalization = normalization
    self.prefetch = prefetch
    self.cache = cache
    self.loaded = loaded
    liveThreads = threads
  }

  var statistics: Loader.Statistics { condition.withLock { counters } }

  // MARK: Consumer

  func next() throws -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    let begin = Clock.now
    defer { counters.secondsWaited += Clock.now - begin }
    while true {
      if stopping || delivered == batches.count { return nil }
      if let batch = pending[delivered], batch.missingSamples == 0, let builder = batch.builder {
        pending[delivered] = nil
        delivered += 1
        condition.broadcast()
        return builder.finished()
      }
      // A failure in a later batch does not affect this one: jobs are taken in order, so all of its jobs are taken.
      if let failure, failure.batch == delivered { throw failure.error }
      condition.wait()
    }
  }

  func stop() {
    condition.lock()
    stopping = true
    condition.broadcast()
    while liveThreads > 0 { condition.wait() }
    pending = [:]
    condition.unlock()
  }

  // MARK: Loader threads

  func serve() {
    let reader = SampleReader(classes: classes, cache: cache)
    condition.lock()
    while let job = takeJob() {
      var builder = pending[job.batch]?.builder
      condition.unlock()
      let begin = Clock.now
      let outcome = Result { try load(job, with: reader, into: &builder) }
      Activity.advance()
      loaded?(samples[batches[job.batch][job.slot].index], begin, Clock.now)
      condition.lock()
      switch outcome {
      case .success(let wasCached):
        counters.decoded += wasCached ? 0 : 1
        counters.cached += wasCached ? 1 : 0
        pending[job.batch]?.builder = builder
        pending[job.batch]?.missingSamples -= 1
      case .failure(let error):
        if job.batch < failure?.batch ?? Int.max { failure = (job.batch, error) }
      }
      condition.broadcast()
    }
    liveThreads -= 1
    condition.broadcast()
    condition.unlock()
  }

  /// Waits until the next job's batch may be begun. `condition` must be locked.
  ///
  /// - Returns: nil if there are no more jobs.
  private func takeJob() -> Job? {
    while !stopping, failure == nil, nextJob.batch < batches.count {
      guard nextJob.batch < delivered + prefetch else {
        condition.wait()
        continue
      }
      let job = nextJob
      let indices = batches[job.batch].map(\.index)
      if job.slot == 0 {
        let builder = transform.size.map { BatchBuilder(indices: indices, size: $0, normalization) }
        pending[job.batch] = PendingBatch(builder: builder, missingSamples: indices.count)
      }
      let isLast = job.slot + 1 == indices.count
      nextJob = isLast ? Job(batch: job.batch + 1, slot: 0) : Job(batch: job.batch, slot: job.slot + 1)
      return job
    }
    return nil
  }

  /// - Returns: whether the sample was in the cache.
  private func load(_ job: Job, with reader: SampleReader, into builder: inout BatchBuilder?) throws -> Bool {
    let draw = batches[job.batch][job.slot]
    let index = draw.index
    let sample = try reader.open(samples[index], index: index)
    let size = sample.size
    var augmentation = Augmentation.none
    if case .augmented(let seed, let epoch, let crop, let options) = transform {
      augmentation = .random(
        seed: seed, epoch: epoch, index: index, occurrence: draw.occurrence, centroid: draw.centroid, image: size,
        crop: crop, options: options)
    }
    let view = try reader.read(sample, augmentation.source(of: size, crop: transform.size ?? size))
    let target = builder ?? BatchBuilder(indices: [index], size: size, normalization)
    target.fill(job.slot, with: view, augmentation)
    builder = target
    if case .cached = sample { return true }
    return false
  }
}
