import Foundation
import System

/// The result of a benchmark: one line of JSON.
package struct BenchmarkResult: Codable, Sendable {
  package var bench: String
  package var backbone: String?
  /// Of activations and products.
  package var precision: String?
  /// Of gradients in messages.
  package var reduce: String?
  package var ranks = 1
  package var threads: Int
  package var images: Int?
  package var height: Int?
  package var width: Int?
  package var bytes: Int?
  /// Of prediction and ground truth, over all classes.
  package var boundaryPixels: Int?
  /// Seconds of each repetition, without the warm-up.
  package var seconds: [Double]
  /// Peak resident size of this process.
  package var peakMb = ProcessUsage.peakMegabytes
  /// Peak single-precision performance of the processor, measured just before.
  package var peakGflops: Double?
  /// The same with bfloat16 operands, if the benchmark uses them.
  package var peakBfloat16Gflops: Double?
  /// Arithmetic of direct convolutions over the fastest repetition, as a fraction of `peakGflops`. Winograd and Strassen
  /// need less arithmetic: more than 1 is possible.
  package var shareOfPeak: Double?
  package var gigabytesPerSecond: Double?
  package var imagesPerSecond: Double?
  /// CPU time, which other processes do not disturb.
  package var cpuSecondsPerImage: Double?
  /// Seconds of plain MPI_Allreduce on the same bytes, each repetition right after one of ours.
  package var plainSeconds: [Double]?
  package var plainGigabytesPerSecond: Double?
  /// Our bandwidth over the plain one, of the medians.
  package var ratioToPlain: Double?
  /// Of a step: seconds of the gradients' all-reduce, from the start of a bucket to its end, summed.
  package var communicationSeconds: Double?
  /// Of a step: seconds of waiting for the all-reduce after the backward pass.
  package var waitedSeconds: Double?
  /// The fraction of the communication that overlaps with computation.
  package var hiddenShare: Double?
  /// Of a checkpoint, whose `seconds` a step waits: of writing it in the background.
  package var writeSeconds: [Double]?
  /// Of a step without a checkpoint.
  package var stepSeconds: [Double]?
  package var stepSecondsWhileWriting: [Double]?
  /// The wait for a checkpoint over the step, of the medians.
  package var shareOfStep: Double?

  /// One line of JSON, with snake-case keys.
  package var line: String {
    (try? JSON.encode(self, .sortedKeys, keys: .convertToSnakeCase)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Rounds a measurement to its significant digits.
  static func rounded(_ value: Double, to unit: Double) -> Double { (value / unit).rounded() / (1 / unit) }
}
