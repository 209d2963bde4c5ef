import Synchronization

/// What happened when on one rank, for an image of a run: who worked, and who waited for whom.
///
/// Keeps the latest events and forgets the earlier ones, so that it can stay on for a run of weeks.
package final class Timeline: Sendable {
  /// What goes on beside one another on a rank.
  package enum Track: Int, CaseIterable, Sendable {
    case compute, communication, loading, checkpoints
  }

  /// Something that took time, in seconds of `Profile.now`.
  package struct Event: Sendable, Equatable {
    package let name: String
    package let track: Track
    package let begin: Double
    package let end: Double
    /// That travelled, where some did.
    package let bytes: Int?

    package init(name: String, track: Track, begin: Double, end: Double, bytes: Int? = nil) {
      self.name = name
      self.track = track
      self.begin = begin
      self.end = end
      self.bytes = bytes
    }
  }

  /// Events that are kept.
  package let capacity: Int

  private struct State {
    var events: [Event] = []
    /// Where the next event goes once all places are taken.
    var oldest = 0
    var forgotten = 0
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
        state.forgotten += 1
      }
    }
  }

  /// The events that are kept, in the order in which they ended, and how many came before them.
  package var kept: (events: [Event], forgotten: Int) {
    state.withLock { (Array($0.events[$0.oldest...] + $0.events[..<$0.oldest]), $0.forgotten) }
  }
}

extension Timeline? {
  /// Runs `body`, and notes when, if there is a timeline.
  package func measure<Outcome>(
    _ name: @autoclosure () -> String, on track: Timeline.Track = .compute, bytes: Int? = nil,
    _ body: () throws -> Outcome
  ) rethrows -> Outcome {
    guard let self else { return try body() }
    let begin = Profile.now
    defer { self.add(Timeline.Event(name: name(), track: track, begin: begin, end: Profile.now, bytes: bytes)) }
    return try body()
  }
}
