import Glibc
import Tensors

/// Where the time and the memory of a step go, part by part.
package final class Profile {
  /// The parts of a step that differ in what limits them.
  package enum Part: String, CaseIterable, Sendable {
    case conv1x1 = "1×1 convolutions"
    case winograd = "3×3 convolutions"
    case atrous = "atrous convolutions (dilation > 4)"
    case strided = "3×3 convolutions, stride 2"
    case batchNorm = "batch norm, ReLU, residuals"
    case resampling = "interpolation and pooling"
    case elementwise = "sigmoid, gates, concatenation"
    case losses = "losses and predictions"
    case communication = "all-reduce"
    case update = "optimizer"
  }

  package private(set) var seconds: [Part: Double] = [:]
  /// Multiply-accumulates that the operations ask for, counted as a direct convolution would do them.
  package private(set) var macs: [Part: Double] = [:]

  /// The most bytes that all buffers had while an operation of a part ran.
  package private(set) var peakBytes: [Part: Int] = [:]
  /// What the last pass kept for its backward pass.
  package internal(set) var kept = ActivationMemory()
  /// What the operations of the pass under way made.
  var made: [Made] = []

  package init() {}

  /// Runs `body` and adds its time to a part. Measurements inside of others would count twice.
  package func measure<Result>(_ part: Part, macs count: Double = 0, _ body: () throws -> Result) rethrows
    -> Result
  {
    BufferPool.shared.resetPeak()
    let begin = Self.now
    defer {
      seconds[part, default: 0] += Self.now - begin
      peakBytes[part] = max(peakBytes[part] ?? 0, BufferPool.shared.peakBytes)
      macs[part, default: 0] += count
    }
    return try body()
  }

  package func reset() {
    seconds = [:]
    macs = [:]
    peakBytes = [:]
  }

  /// Seconds of a clock that never goes back.
  package static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}

extension Profile? {
  /// Runs `body`, on the profile's clock if there is a profile.
  func measure<Result>(_ part: Profile.Part, macs: Double = 0, _ body: () -> Result) -> Result {
    guard let self else { return body() }
    return self.measure(part, macs: macs, body)
  }
}
