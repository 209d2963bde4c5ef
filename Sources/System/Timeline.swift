import Synchronization

/// The events of one rank with their times, for a trace viewer: what ran when, and what waited for what.
///
/// A ring buffer: keeps the latest events and drops the earlier ones, so that it can record a run of weeks.
package final class Timeline: Sendable {
  /// Activities of a rank that run concurrently.
  package enum Track: Int, CaseIterable, Sendable {
    case compute, communication, loading, checkpoints
  }

  /// An interval, in seconds of `Clock.now`.
  package struct Event: Sendable, Equatable {
    package let name: String
    package let track: Track
    package let begin: Double
    package let end: Double
    /// Bytes sent; nil if the event sends none.
    package let bytes: Int?

    package init(name: String, track: Track, begin: Double, end: Double, bytes: Int? = nil) {
      self.name = name
      self.track = track
      self.begin = begin
      self.end = end
      self.bytes = bytes
    }
  }

  /// The most events that are kept.
  package let capacity: Int

  private struct State {
    var events: [Event] = []
    /// Index of the oldest event, which the next one replaces once the buffer is full.
    var oldest = 0
    var dropped = 0
  }
  private let state = Mutex(State())

  package init(capacity: Int) {
    precondition(capacity > 0)
    self.capacity = capacity
  }

  package func add(_ event: Event) {
    state.withLock { state in
      if state.events.count < capacity {
        state.events.append(event)
      } else {
        state.events[state.oldest] = event
        state.oldest = (state.oldest + 1) % capacity
        state.dropped += 1
      }
    }
  }

  /// The events that are kept, in the order in which they ended, and how many earlier ones were dropped.
  package var recorded: (events: [Event], dropped: Int) {
    state.withLock { (Array($0.events[$0.oldest...] + $0.events[..<$0.oldest]), $0.dropped) }
  }
}

extension Timeline? {
  /// Runs `body` as a phase of this rank and, if there is a timeline, records its interval.
  ///
  /// - Parameter name: of the interval; the phase's by default.
  package func measure<Outcome>(
    _ phase: Activity.Phase, as name: String? = nil, _ body: () throws -> Outcome
  ) rethrows -> Outcome {
    try Activity.during(phase) { try measure(name ?? phase.rawValue, body) }
  }

  /// Runs `body` and, if there is a timeline, records its interval.
  package func measure<Outcome>(
    _ name: @autoclosure () -> String, on track: Timeline.Track = .compute, bytes: Int? = nil,
    _ body: () throws -> Outcome
  ) rethrows -> Outcome {
    guard let self else { return try body() }
    let begin = Clock.now
    defer { self.add(Timeline.Event(name: name(), track: track, begin: begin, end: Clock.now, bytes: bytes)) }
    return try body()
  }
}
