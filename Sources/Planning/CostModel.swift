import Benchmarks
import Foundation
import Inference
import Microkernels

/// Predicts time and memory of a training on a cluster from one step on a single rank.
///
/// A step of b images on R ranks takes
///
///     forward + small all-reduces + backward + small all-reduces + exposed gradient all-reduce + update
///
/// - Forward and backward: as measured, times the images of the largest share, ⌈b/R⌉, over the images measured; times the
///   slowdown of the slowest rank, for which all wait (`Cluster.slowdown`). Each doubling of the threads speeds them up 1.85
///   times.
/// - Small all-reduces, of batch statistics and losses: as many and as large as measured, each in log₂ R rounds of the
///   latency. Nothing overlaps with them.
/// - Gradient all-reduce: a communication thread sums bucket by bucket, each after it is ready (measured) and the bucket
///   before it is summed, overlapped with the backward pass. Only what remains after the backward pass is exposed. The CPU
///   time of the messages is added to the backward pass: each byte is copied twice and added.
/// - While gradients travel over a link, each round of a small all-reduce waits for up to `queue` bytes of each rank of the
///   node; this lengthens the backward pass.
/// - Update: as measured, independent of the images.
///
/// An epoch has ⌊images/b⌋ steps, a validation (the forward pass, scaled by pixels) and two checkpoints of parameters and
/// momentum.
///
/// Memory of a rank: that before its first step, plus that of the measured step, scaled by images.
///
/// Not modeled: loading (overlapped with the step), preprocessing, the test split at a new best model, congestion of shared
/// switches, and slower memory where other cores of a node are busier than here.
package struct CostModel: Codable, Sendable {
  package var step: StepMeasurement
  package var workload: Workload
  /// Bytes that a rank sends before it waits: four chunks of 256 KiB (`TreeAllReduce`).
  package static let queue = 4.0 * 256 * 1024

  /// The training to predict.
  package struct Workload: Codable, Sendable {
    package var images = 2975
    package var epochs = 60
    /// Length of the training in steps, in place of `epochs`.
    package var steps: Int?
    /// Batches of a step.
    package var accumulate = 1
    package var validationImages = 500
    package var validationPixels = 1024 * 2048
    package var validators = ValidationRanks.rank0
    /// Of the step that was measured.
    package var precision = Precision.float32
    /// Of the gradients in messages.
    package var gradientTransport = Precision.float32
    /// Bytes per second of writing a checkpoint.
    package var diskBytesPerSecond = 500e6

    package init() {}
  }

  /// The prediction for one cluster and one batch size.
  package struct Prediction: Codable, Sendable {
    package var nodes: Int
    package var ranks: Int
    package var threads: Int
    /// Images of a forward and backward pass; a step has `Workload.accumulate` of them.
    package var batchSize: Int
    /// Images of the largest share.
    package var share: Int
    package var stepSeconds: Double
    /// Of the step: forward and backward pass on the slowest rank, and the update.
    package var computeSeconds: Double
    /// Of the step: small all-reduces of batch statistics and losses.
    package var sumSeconds: Double
    /// Of the step: waiting for the gradient all-reduce after the backward pass.
    package var exposedSeconds: Double
    /// The gradient all-reduce, overlapped or not.
    package var gradientSeconds: Double
    package var imagesPerSecond: Double
    /// Speed relative to the same ranks without communication, each with the largest share.
    package var efficiency: Double
    package var memoryMegabytes: Double
    package var stepsPerEpoch: Int
    package var validationSeconds: Double
    package var epochSeconds: Double
    package var trainingHours: Double
  }

  package init(step: StepMeasurement, workload: Workload = Workload()) {
    self.step = step
    self.workload = workload
  }

  package func predict(_ cluster: Cluster, batchSize: Int) -> Prediction {
    let share = batchSize.dividedRoundingUp(by: cluster.ranks)
    let speed = pow(1.85, log2(Double(cluster.threads) / Double(step.threads)))
    let images = Double(share) / Double(step.images)
    let forward = step.forward * images / speed
    let backward = step.backward * images / speed
    let update = step.update / speed

    // The slowest rank's time since the start of the step.
    var now = forward * cluster.slowdown
    let forwardSums = step.forwardSums.reduce(0) { $0 + cluster.seconds(smallAllReduceOf: $1) }
    now += forwardSums
    let start = now

    let messageShare = Double(workload.gradientTransport.size) / Double(Precision.float32.size)
    let allReduces = step.buckets.map { cluster.seconds(allReduceOf: Int(Double($0.bytes) * messageShare)) }
    let gradients = allReduces.reduce(0) { $0 + $1.link + $1.memory }
    let bytes = messageShare * Double(step.gradientBytes) * 2 * (1 - 1 / Double(cluster.ranks))
    let copying = bytes * cluster.memorySecondsPerByte / Double(cluster.threads)
    let rounds = cluster.nodes > 1 ? log2(Double(cluster.nodes)).rounded(.up) : 0
    let alone = backward * cluster.slowdown + copying
    let onLink = allReduces.reduce(0) { $0 + $1.link }
    let latencies = step.backwardSums.reduce(0) { $0 + cluster.seconds(smallAllReduceOf: $1) }
    let queued = messageShare * Self.queue * Double(cluster.ranksPerNode) / cluster.linkBytesPerSecond
    let waits = Double(step.backwardSums.count) * rounds * queued
    // The backward pass takes t = undelayed + waits · onLink / t, at most undelayed + waits.
    let undelayed = alone + latencies
    let delayed = min(undelayed + waits, (undelayed + (undelayed * undelayed + 4 * waits * onLink).squareRoot()) / 2)
    let backwardSums = delayed - alone
    now += delayed
    let end = now

    var sent = start
    for (bucket, seconds) in zip(step.buckets, allReduces) {
      sent = max(sent, start + bucket.ready * (end - start)) + seconds.link + seconds.memory
    }
    let exposed = max(0, sent - end)
    let batches = Double(workload.accumulate)
    let seconds = batches * (end + exposed) + update

    let steps = workload.images / (batchSize * workload.accumulate)
    let imagesEvaluated =
      workload.validators == .all
      ? workload.validationImages.dividedRoundingUp(by: cluster.ranks) : workload.validationImages
    let pixels = Double(step.images * step.height * step.width)
    let validation = Double(imagesEvaluated) * Double(workload.validationPixels) / pixels * step.forward / speed
    let checkpoints = 2 * 2 * Double(step.gradientBytes) / workload.diskBytesPerSecond
    let epoch = Double(steps) * seconds + validation + checkpoints
    let epochs = workload.steps.map { Double($0) / Double(max(steps, 1)) } ?? Double(workload.epochs)
    return Prediction(
      nodes: cluster.nodes, ranks: cluster.ranks, threads: cluster.threads, batchSize: batchSize, share: share,
      stepSeconds: seconds,
      computeSeconds: batches * ((forward + backward) * cluster.slowdown + copying) + update,
      sumSeconds: batches * (forwardSums + backwardSums), exposedSeconds: batches * exposed,
      gradientSeconds: batches * gradients,
      imagesPerSecond: batches * Double(batchSize) / seconds,
      efficiency: Double(batchSize) / Double(cluster.ranks * share) * (batches * (forward + backward) + update)
        / seconds,
      memoryMegabytes: step.fixedMegabytes + step.stepMegabytes * images
        + (workload.accumulate > 1 ? Double(step.gradientBytes) / 1e6 : 0),
      stepsPerEpoch: steps,
      validationSeconds: validation, epochSeconds: epoch, trainingHours: epoch * epochs / 3600)
  }

  /// The smallest batch that reaches an efficiency, with a power of two of images per rank; `nil` if that leaves fewer
  /// than ten steps in an epoch.
  package func smallestBatch(_ cluster: Cluster, efficiency: Double) -> Int? {
    var batch = cluster.ranks
    while batch * workload.accumulate * 10 <= workload.images {
      if predict(cluster, batchSize: batch).efficiency >= efficiency { return batch }
      batch *= 2
    }
    return nil
  }
}
