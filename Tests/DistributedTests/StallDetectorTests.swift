import Distributed
import System
import Testing

@Suite("Stalled ranks")
struct StallDetectorTests {
  private var detector = StallDetector()

  init() { for rank in 0..<3 { detector.add(rank, at: 0) } }

  private mutating func report(_ rank: Int, waits: Bool, progress: Int, at now: Double) {
    var activity = Activity.Snapshot()
    activity.phase = .backward
    activity.isWaiting = waits
    activity.progress = progress
    detector.report(rank, activity, at: now)
  }

  @Test("A rank that does not report is silent")
  mutating func silent() {
    for second in 1...40 {
      for rank in [0, 2] { report(rank, waits: true, progress: 5, at: Double(second)) }
      if second < 5 { report(1, waits: false, progress: second, at: Double(second)) }
    }
    #expect(detector.stalls(of: 30, at: 33) == [])
    #expect(detector.stalls(of: 30, at: 40) == [.silent(rank: 1, since: 4)])
  }

  @Test("A rank whose work stands still while others wait is stuck")
  mutating func stuck() {
    for second in 1...40 {
      for rank in [0, 2] { report(rank, waits: true, progress: 5, at: Double(second)) }
      report(1, waits: false, progress: min(second, 5), at: Double(second))
    }
    #expect(detector.stalls(of: 30, at: 40) == [.stuck(rank: 1, since: 5)])
  }

  @Test("A long phase in which work goes on is no stall")
  mutating func slow() {
    for second in 1...1000 {
      for rank in [1, 2] { report(rank, waits: true, progress: 5, at: Double(second)) }
      report(0, waits: false, progress: second / 20, at: Double(second))
      #expect(detector.stalls(of: 30, at: Double(second)) == [])
    }
  }

  @Test("A rank for which nobody waits is no stall")
  mutating func nobodyWaits() {
    for second in 1...100 { for rank in 0..<3 { report(rank, waits: false, progress: 5, at: Double(second)) } }
    #expect(detector.stalls(of: 30, at: 100) == [])
  }

  @Test("Ranks that all wait for one another have lost a connection")
  mutating func allWait() {
    for second in 1...50 { for rank in 0..<3 { report(rank, waits: true, progress: 5, at: Double(second)) } }
    #expect(detector.stalls(of: 30, at: 50) == [.allWaiting(since: 1)])
  }

  @Test("A rank that has come to its end is not missed")
  mutating func finished() {
    detector.remove(1)
    for second in 1...50 { for rank in [0, 2] { report(rank, waits: false, progress: second, at: Double(second)) } }
    #expect(detector.stalls(of: 30, at: 50) == [])
  }

  @Test("After this process was stopped itself, the others are given time")
  mutating func restarted() {
    detector.restart(at: 100)
    #expect(detector.stalls(of: 30, at: 101) == [])
    #expect(detector.stalls(of: 30, at: 130).count == 3)
  }

  @Test("The share of waiting is that of the last seconds: the rank for which the others wait has the smallest")
  mutating func waitingShare() throws {
    // Rank 0 computes for the first ten seconds, and waits for most of the next ten; rank 1 does the opposite.
    for second in 0...20 {
      for rank in 0..<2 {
        var activity = Activity.Snapshot()
        let isFirst = rank == 0
        activity.waited =
          second <= 10 ? (isFirst ? 0 : 800_000 * second) : (isFirst ? 800_000 * (second - 10) : 8_000_000)
        detector.report(rank, activity, at: Double(second))
      }
      if second == 4 { #expect(detector.waitingShare(of: 0) == nil) }
      if second == 10 { #expect([detector.waitingShare(of: 0), detector.waitingShare(of: 1)] == [0, 0.8]) }
    }
    #expect([detector.waitingShare(of: 0), detector.waitingShare(of: 1)] == [0.8, 0])
    #expect(detector.heard(0) == 20 && detector.heard(7) == nil && detector.waitingShare(of: 2) == nil)
  }
}
