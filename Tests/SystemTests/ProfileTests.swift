import Foundation
import Synchronization
import System
import Testing

/// A meter that a test sets.
private final class Meter: MemoryMeter {
  private let state = Mutex((live: 0, peak: 0))
  var liveBytes: Int { state.withLock { $0.live } }
  var peakBytes: Int { state.withLock { $0.peak } }
  func resetPeak() { state.withLock { $0.peak = $0.live } }
  func allocate(_ bytes: Int) {
    state.withLock {
      $0.live += bytes
      $0.peak = max($0.peak, $0.live)
    }
  }
}

@Suite("Profile")
struct ProfileTests {
  private let outer = Profile.Part(rawValue: "outer")
  private let inner = Profile.Part(rawValue: "inner")

  @Test("Nested measurements: time counts once, memory for both")
  func nested() {
    let meter = Meter()
    let profile = Profile(memory: meter)
    let begin = Clock.now
    profile.measure(outer, macs: 3) {
      meter.allocate(500)
      meter.allocate(-400)
      profile.measure(inner, macs: 4) {
        meter.allocate(100)
        usleep(1000)
        meter.allocate(-100)
      }
      meter.allocate(-100)
    }
    let elapsed = Clock.now - begin
    #expect(profile.peakBytes == [outer: 500, inner: 200])
    #expect(profile.macs == [outer: 3, inner: 4])
    #expect((profile.seconds[inner] ?? 0) >= 0.001)
    #expect((profile.seconds[outer] ?? 0) + (profile.seconds[inner] ?? 0) <= elapsed)

    profile.measure(outer) { profile.measure(inner) { meter.allocate(900) } }
    #expect(profile.peakBytes == [outer: 900, inner: 900], "a peak inside is one of the outer part too")
  }
}
