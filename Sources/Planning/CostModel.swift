import Foundation

/// Predicts what a training takes on a cluster from one step on one rank.
///
/// A step of b images on R ranks is
///
///     forward + sums of batch norm and losses + backward + their sums + what of the gradients' sums is not hidden + update
///
/// - forward and backward: those measured, times the images of the largest share, ⌈b/R⌉, over the images measured;
///   times how much slower than the mean the slowest of the ranks is, for whom all wait (`Cluster.slowest`); for other
///   numbers of threads than measured, each doubling is 1.85 times as fast;
/// - sums of batch norm and losses: each of them (as many and as large as the step measured made) in log₂ R rounds of a
///   latency; nothing hides them;
/// - sums of gradients: a thread of its own makes them bucket by bucket, each from the time that it is complete (measured)
///   and the one before is summed, beside the backward pass; only what is left at its end counts. What the messages take of
///   the processor is taken from the backward pass: each byte that travels is copied twice and added;
/// - where gradients travel over a link, a small sum waits in each round for what is before it on the link, which is up to
///   `queue` bytes of each rank of the node; that makes the backward pass longer, while gradients are on their way;
/// - update: as measured, on any number of images.
///
/// An epoch has ⌊images/b⌋ steps, a validation, at the speed of the forward pass by pixels, and two checkpoints of
/// parameters and momentum.
///
/// Memory of a rank: what it has before its first step, and what the step measured had on top, by images.
///
/// Left out: loading (hidden behind the step), preparing, the test split at a new best model, stalls of the network where
/// switches are shared, and the slower memory of nodes whose other cores are busier than this machine's.
package struct CostModel: Codable, Sendable {
  package var step: StepMeasurement
  package var run: Run
  /// Bytes that a rank hands to the network before it waits: four pieces of 256 KiB (`TreeAllReduce`).
  package static let queue = 4.0 * 256 * 1024

  /// What is trained.
  package struct Run: Codable, Sendable {
    package var images = 2975
    package var epochs = 60
    package var validationImages = 500
    package var validationPixels = 1024 * 2048
    package var validators = TrainingOptions.ValidationRanks.rank0
    /// Bytes a second that a checkpoint is written with.
    package var diskBytesPerSecond = 500e6

    package init() {}
  }

  package struct Prediction: Codable, Sendable {
    package var nodes: Int
    package var ranks: Int
    package var threads: Int
    package var batchSize: Int
    /// Images of the largest share.
    package var share: Int
    package var stepSeconds: Double
    /// Of which: the network on the slowest rank, and the update.
    package var computeSeconds: Double
    /// Of which: waiting for sums of batch norm and losses.
    package var sumSeconds: Double
    /// Of which: waiting for the sums of gradients.
    package var exposedSeconds: Double
    /// What those sums take, hidden or not.
    package var gradientSeconds: Double
    package var imagesPerSecond: Double
    /// Of the speed of the same ranks that wait for nobody, each with the largest share.
    package var efficiency: Double
    package var memoryMegabytes: Double
    package var stepsPerEpoch: Int
    package var validationSeconds: Double
    package var epochSeconds: Double
    package var trainingHours: Double
  }

  package init(step: StepMeasurement, run: Run = Run()) {
    self.step = step
    self.run = run
  }

  package func predict(_ cluster: Cluster, batchSize: Int) -> Prediction {
    let share = (batchSize + cluster.ranks - 1) / cluster.ranks
    let speed = pow(1.85, log2(Double(cluster.threads) / Double(step.threads)))
    let images = Double(share) / Double(step.images)
    let forward = step.forward * images / speed
    let backward = step.backward * images / speed
    let update = step.update / speed

    // The clock of the slowest rank, from the beginning of the step.
    var now = forward * cluster.slowest
    let forwardSums = step.forwardSums.reduce(0) { $0 + cluster.seconds(smallSumOf: $1) }
    now += forwardSums
    let start = now

    let travelling = step.buckets.map { cluster.seconds(sumOf: $0.bytes) }
    let gradients = travelling.reduce(0) { $0 + $1.link + $1.memory }
    let bytes = Double(step.gradientBytes) * 2 * (1 - 1 / Double(cluster.ranks))
    let processor = bytes * cluster.memorySecondsPerByte / Double(cluster.threads)
    let rounds = cluster.nodes > 1 ? log2(Double(cluster.nodes)).rounded(.up) : 0
    let alone = backward * cluster.slowest + processor
    let onLink = travelling.reduce(0) { $0 + $1.link }
    let quick = step.backwardSums.reduce(0) { $0 + cluster.seconds(smallSumOf: $1) }
    let queued = Self.queue * Double(cluster.ranksPerNode) / cluster.linkBytesPerSecond
    let waits = Double(step.backwardSums.count) * rounds * queued
    // The backward pass takes t = undelayed + waits · onLink / t as long as gradients do not travel all the time.
    let undelayed = alone + quick
    let back = min(undelayed + waits, (undelayed + (undelayed * undelayed + 4 * waits * onLink).squareRoot()) / 2)
    let backwardSums = back - alone
    now += back
    let end = now

    var sent = start
    for (bucket, seconds) in zip(step.buckets, travelling) {
      sent = max(sent, start + bucket.ready * (end - start)) + seconds.link + seconds.memory
    }
    let exposed = max(0, sent - end)
    let seconds = end + exposed + update

    let steps = run.images / batchSize
    let imageEvaluated =
      run.validators == .all ? (run.validationImages + cluster.ranks - 1) / cluster.ranks : run.validationImages
    let pixels = Double(step.images * step.height * step.width)
    let validation = Double(imageEvaluated) * Double(run.validationPixels) / pixels * step.forward / speed
    let checkpoints = 2 * 2 * Double(step.gradientBytes) / run.diskBytesPerSecond
    let epoch = Double(steps) * seconds + validation + checkpoints
    return Prediction(
      nodes: cluster.nodes, ranks: cluster.ranks, threads: cluster.threads, batchSize: batchSize, share: share,
      stepSeconds: seconds, computeSeconds: (forward + backward) * cluster.slowest + processor + update,
      sumSeconds: forwardSums + backwardSums, exposedSeconds: exposed, gradientSeconds: gradients,
      imagesPerSecond: Double(batchSize) / seconds,
      efficiency: Double(batchSize) / Double(cluster.ranks * share) * (forward + backward + update) / seconds,
      memoryMegabytes: step.fixedMegabytes + step.stepMegabytes * images, stepsPerEpoch: steps,
      validationSeconds: validation, epochSeconds: epoch, trainingHours: epoch * Double(run.epochs) / 3600)
  }

  /// The smallest batch of equal shares, powers of two of images, that reaches an efficiency; nil where none does that
  /// leaves ten steps in an epoch.
  package func smallestBatch(_ cluster: Cluster, efficiency: Double) -> Int? {
    var batch = cluster.ranks
    while batch * 10 <= run.images {
      if predict(cluster, batchSize: batch).efficiency >= efficiency { return batch }
      batch *= 2
    }
    return nil
  }
}
