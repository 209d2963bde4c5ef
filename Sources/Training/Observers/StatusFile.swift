import Distributed
import Foundation
import Synchronization
import System

/// Writes `P/status.json` about once a second, on a thread of its own: a slow disk holds up nothing.
///
/// It informs those who watch; a run that cannot write it goes on.
package final class StatusFile: TrainingObserver, Sendable {
  private struct State {
    var status: RunStatus
    /// Whether the training has begun, and not only its preparation.
    var hasStarted = false
    var hasEnded = false
    var hasFailed = false
  }
  private let path: String
  private let progress: ProgressLine
  private let ranks: @Sendable () -> [RankReport]
  private let time: @Sendable () -> Double
  private let now: @Sendable () -> Double
  private let warn: @Sendable (String) -> Void
  private let state: Mutex<State>
  /// Whether an earlier job of the run has left its status: a job that is refused before it trains leaves that alone.
  private let hasEarlier: Bool
  /// Held while the file is written, so that the last state is the last one written.
  private let writing = Mutex<Void>(())

  /// - Parameters:
  ///   - progress: what it says is being done.
  ///   - ranks: what rank 0 knows of the ranks.
  ///   - time: seconds since 1970.
  ///   - now: seconds of the clock of `progress`.
  ///   - warn: receives a line about what cannot be written.
  package init(
    path: String, host: String, progress: ProgressLine = .shared,
    ranks: @escaping @Sendable () -> [RankReport] = { RankReport.all },
    time: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
    now: @escaping @Sendable () -> Double = { Clock.now },
    warn: @escaping @Sendable (String) -> Void = { StandardError.write("gscnn: \($0)\n") }
  ) {
    self.path = path
    self.progress = progress
    self.ranks = ranks
    self.time = time
    self.now = now
    self.warn = warn
    hasEarlier = FileSystem.exists(path)
    state = Mutex(State(status: RunStatus(host: host, process: getpid(), begin: time(), time: time())))
  }

  /// Starts to write, until the run ends.
  package func start() {
    CleanupHandlers.add { [self] in
      guard !hasEarlier || state.withLock({ $0.hasStarted }) else { return }
      // A signal may come before there is anything to save.
      end(StopSignal.received == nil ? .failed : .stopped)
    }
    SystemThread.start("gscnn status") { [self] in
      while !state.withLock({ $0.hasEnded }) {
        let begin = Clock.now
        if !hasEarlier || state.withLock({ $0.hasStarted }) { write() }
        // At most one percent of the time of one thread, however slow the disk is.
        usleep(UInt32(min(60, max(1, 100 * (Clock.now - begin))) * 1e6))
      }
    }
  }

  package func observe(_ event: TrainingEvent) {
    switch event {
    case .started(let run):
      state.withLock { $0.hasStarted = true }
      change {
        ($0.epochs, $0.stepsPerEpoch) = (run.length.epochs, run.length.stepsPerEpoch)
        ($0.epoch, $0.step) = (min(run.position.epoch + 1, run.length.epochs), run.position.step)
      }
    case .stepped(let report):
      change {
        ($0.epoch, $0.step) = (report.position.epoch + 1, report.position.step)
        ($0.loss, $0.imagesPerSecond) = (report.loss.total, report.imagesPerSecond)
      }
    case .stopped: end(.stopped)
    case .finished: end(.finished)
    default: break
    }
  }

  private func change(_ body: (inout RunStatus) -> Void) { state.withLock { body(&$0.status) } }

  /// Writes the last state.
  private func end(_ last: RunStatus.State) {
    let isFirst = state.withLock { state in
      defer { state.hasEnded = true }
      return !state.hasEnded
    }
    guard isFirst else { return }
    change { $0.state = last }
    writing.withLock { _ in replaceFile() }
  }

  /// Replaces the file, unless the run has ended.
  package func write() {
    writing.withLock { _ in if !state.withLock({ $0.hasEnded }) { replaceFile() } }
  }

  private func replaceFile() {
    let works = progress.works
    let now = now()
    var status = state.withLock { $0.status }
    status.time = time()
    status.ranks = ranks().map(RunStatus.Rank.init)
    if status.state == .running {
      status.phase = works.last.map {
        RunStatus.Phase(
          title: $0.title, done: $0.done, total: $0.total, unit: $0.unit, secondsLeft: $0.left(at: now))
      }
      // Of the training, around what is going on.
      status.secondsLeft = works.first?.secondsLeft.flatMap { _ in works.first?.left(at: now) }
    }
    do {
      try FileSystem(isProgress: false).replaceFile(path, with: status.json, sync: false)
      state.withLock { $0.hasFailed = false }
    } catch {
      let isFirst = state.withLock { state in
        defer { state.hasFailed = true }
        return !state.hasFailed
      }
      if isFirst { warn("\(error); training goes on, and gscnn watch does not see what it is doing") }
    }
  }
}
