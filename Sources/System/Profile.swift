/// Reports how much memory is in use; implemented by the buffer pool.
package protocol MemoryMeter: Sendable {
  /// Bytes in use now.
  var liveBytes: Int { get }
  /// The most bytes in use at once since `resetPeak()`.
  var peakBytes: Int { get }
  /// Sets `peakBytes` to `liveBytes`.
  func resetPeak()
}

/// Seconds, multiply-accumulates and peak memory of a computation, part by part.
///
/// Measurements may nest: the time of the inner one counts for its own part only, its memory for both.
package final class Profile {
  /// A kind of work. Targets above declare the parts that they know, as static properties.
  package struct Part: RawRepresentable, Hashable, Sendable {
    /// The name in tables.
    package let rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }
  }

  package let memory: any MemoryMeter
  package private(set) var seconds: [Part: Double] = [:]
  /// Multiply-accumulates of a direct convolution, whatever algorithm computes it.
  package private(set) var macs: [Part: Double] = [:]
  /// The most bytes in use while an operation of the part ran.
  package private(set) var peakBytes: [Part: Int] = [:]
  /// What the last forward pass saved for its backward pass.
  package var activations = ActivationMemory()

  /// A measurement that has begun and not ended.
  private struct Measurement {
    var secondsInside = 0.0
    var peakBytes = 0
  }
  /// Outermost first.
  private var open: [Measurement] = []

  package init(memory: any MemoryMeter) { self.memory = memory }

  /// Runs `body` and adds its time to a part.
  package func measure<Outcome>(_ part: Part, macs count: Double = 0, _ body: () throws -> Outcome) rethrows -> Outcome
  {
    notePeak(memory.peakBytes)
    memory.resetPeak()
    open.append(Measurement())
    let begin = Clock.now
    defer {
      let elapsed = Clock.now - begin
      notePeak(memory.peakBytes)
      let measurement = open.removeLast()
      seconds[part, default: 0] += elapsed - measurement.secondsInside
      peakBytes[part] = max(peakBytes[part] ?? 0, measurement.peakBytes)
      macs[part, default: 0] += count
      if !open.isEmpty { open[open.count - 1].secondsInside += elapsed }
      notePeak(measurement.peakBytes)
    }
    return try body()
  }

  /// Raises the peak of the innermost open measurement.
  private func notePeak(_ bytes: Int) {
    if !open.isEmpty { open[open.count - 1].peakBytes = max(open[open.count - 1].peakBytes, bytes) }
  }
}

extension Profile? {
  /// Runs `body` and, if there is a profile, adds its time to a part.
  package func measure<Outcome>(
    _ part: Profile.Part, macs: Double = 0, _ body: () throws -> Outcome
  ) rethrows -> Outcome {
    guard let self else { return try body() }
    return try self.measure(part, macs: macs, body)
  }
}
