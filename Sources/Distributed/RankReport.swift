import System

/// What rank 0 knows of a rank.
package struct RankReport: Sendable, Equatable {
  package let rank: Int
  package let host: String
  /// What it reported last.
  package let activity: Activity.Snapshot
  /// Seconds since then. Ranks report every second.
  package let heardSecondsAgo: Double
  /// The share of the last five seconds or more in which its main thread waited for other ranks. Nil if it is not known,
  /// or if there are no others.
  package let waitingShare: Double?

  package init(
    rank: Int, host: String, activity: Activity.Snapshot, heardSecondsAgo: Double, waitingShare: Double?
  ) {
    self.rank = rank
    self.host = host
    self.activity = activity
    self.heardSecondsAgo = heardSecondsAgo
    self.waitingShare = waitingShare
  }

  /// Of all ranks of this job that rank 0 hears of. On rank 0.
  package static var all: [RankReport] {
    if let monitor = JobMonitor.current { return monitor.reports }
    return [
      RankReport(
        rank: 0, host: Communicator.hostName, activity: Activity.current, heardSecondsAgo: 0,
        waitingShare: nil)
    ]
  }
}
