import System
import Testing

@Suite("Timeline")
struct TimelineTests {
  @Test("A full timeline keeps the latest events and counts those it dropped")
  func capacity() {
    let timeline = Timeline(capacity: 2)
    for index in 0..<5 {
      timeline.add(Timeline.Event(name: "\(index)", track: .compute, begin: Double(index), end: Double(index) + 1))
    }
    #expect(timeline.recorded.events.map(\.name) == ["3", "4"])
    #expect(timeline.recorded.dropped == 3)
  }
}
