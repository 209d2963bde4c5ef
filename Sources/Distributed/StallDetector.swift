import System

/// Finds the ranks for which the others wait in vain, from what the ranks report about themselves.
///
/// A rank that waits for others is not at fault; nor is one whose work goes on, however long its phase. What is left are
/// ranks that do not report at all, and ranks that neither wait nor get on. If all ranks wait, the fault lies between
/// them.
package struct StallDetector {
  package enum Stall: Equatable {
    /// The rank has not reported since then: its process is stopped, or its host or network is down.
    case silent(rank: Int, since: Double)
    /// The rank reports, but its work does not go on.
    case stuck(rank: Int, since: Double)
    /// All ranks wait for one another.
    case allWaiting(since: Double)
  }

  private struct Rank {
    var heard: Double
    var advanced: Double
    var activity = Activity.Snapshot()
    /// When `waitingShare` was last measured, and the wait until then.
    var measured: (at: Double, waited: Int)?
    var waitingShare: Double?
  }

  /// Seconds over which the share of waiting is measured.
  private static let window = 5.0

  private var ranks: [Int: Rank] = [:]

  package init() {}

  /// What a rank reported last.
  package func activity(of rank: Int) -> Activity.Snapshot { ranks[rank]?.activity ?? Activity.Snapshot() }

  /// When a rank last reported; nil for one that is not there.
  package func heard(_ rank: Int) -> Double? { ranks[rank]?.heard }

  /// The share of the last seconds for which a rank has waited for others: of ranks that work in step, the one for which
  /// the others wait has the smallest. Nil until it is measured.
  package func waitingShare(of rank: Int) -> Double? { ranks[rank]?.waitingShare }

  package mutating func add(_ rank: Int, at now: Double) { ranks[rank] = Rank(heard: now, advanced: now) }

  /// Forgets a rank that has come to its end.
  package mutating func remove(_ rank: Int) { ranks[rank] = nil }

  package mutating func report(_ rank: Int, _ activity: Activity.Snapshot, at now: Double) {
    guard let known = ranks[rank] else { return }
    let isIdle = known.activity.progress == activity.progress && known.activity.isWaiting == activity.isWaiting
    var next = known
    (next.heard, next.advanced, next.activity) = (now, isIdle ? known.advanced : now, activity)
    let last = known.measured ?? (now, activity.waited)
    if now - last.at >= Self.window {
      next.waitingShare = min(1, max(0, Double(activity.waited - last.waited) * 1e-6 / (now - last.at)))
      next.measured = (now, activity.waited)
    } else {
      next.measured = last
    }
    ranks[rank] = next
  }

  /// Begins anew, after this process was itself stopped for a while.
  package mutating func restart(at now: Double) {
    for rank in ranks.keys {
      ranks[rank]?.heard = now
      ranks[rank]?.advanced = now
    }
  }

  /// Ranks that have been stalled for at least `seconds`.
  package func stalls(of seconds: Double, at now: Double) -> [Stall] {
    var stalls: [Stall] = []
    let isAwaited = ranks.values.contains(where: \.activity.isWaiting)
    for (rank, state) in ranks.sorted(by: { $0.key < $1.key }) {
      if now - state.heard >= seconds {
        stalls.append(.silent(rank: rank, since: state.heard))
      } else if isAwaited, !state.activity.isWaiting, now - state.advanced >= seconds {
        stalls.append(.stuck(rank: rank, since: state.advanced))
      }
    }
    if stalls.isEmpty, ranks.count > 1, ranks.values.allSatisfy(\.activity.isWaiting) {
      let since = ranks.values.map(\.advanced).max() ?? now
      if now - since >= seconds { stalls.append(.allWaiting(since: since)) }
    }
    return stalls
  }
}
