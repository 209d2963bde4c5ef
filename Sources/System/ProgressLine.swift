import Glibc
import Synchronization

/// Shows how far long work is: on a terminal by one line that is redrawn and fits its width, elsewhere by a line a minute.
///
/// Work shorter than two seconds shows nothing. Work may nest; the innermost is shown. Safe to use on any thread.
package final class ProgressLine: Sendable {
  /// A piece of work.
  package struct Work: Sendable, Equatable {
    /// What is done: "validating".
    package var title: String
    /// What is counted: "images"; "%" shows the share that is done; empty: the numbers say enough.
    package var unit: String
    package var done: Int
    /// Nil if it is not known.
    package var total: Int?
    /// More to be shown while there is room: the first is the most important.
    package var notes: [String] = []
    /// An estimate of the caller; without one, the pace of this work so far says what is left.
    package var secondsLeft: Double?
    fileprivate let begin: Double
    fileprivate let doneAtBegin: Int
    fileprivate var updated: Double
    /// Seconds after which a terminal shows it.
    fileprivate let delay: Double

    fileprivate var isDone: Bool { done == total }

    /// Seconds that are left, nil while nobody can know.
    package func left(at now: Double) -> Double? {
      if let secondsLeft { return max(0, secondsLeft - (now - updated)) }
      guard let total, done > doneAtBegin, updated > begin else { return nil }
      let each = (updated - begin) / Double(done - doneAtBegin)
      return max(0, each * Double(total - done) - (now - updated))
    }
  }

  /// The line of this process. Every rank counts, rank 0 shows.
  package static let shared = ProgressLine(ticks: true)

  /// Seconds between two lines where nothing can be redrawn.
  private static let logInterval = 60.0
  /// Seconds between two drawings: more often nobody sees.
  private static let drawInterval = 0.1

  private struct State {
    var works: [Work] = []
    var isHidden = false
    var hasTicker = false
    var isDrawn = false
    var lastDrawn = -Double.infinity
    /// When a line was last written, or work began after there was none.
    var lastLine = 0.0
  }
  private let state = Mutex(State())
  /// Whether it is shown by a line that is redrawn.
  package let redraws: Bool
  private let columns: @Sendable () -> Int
  private let isUTF8: Bool
  private let ticks: Bool
  private let write: @Sendable (String) -> Void
  private let now: @Sendable () -> Double

  /// - Parameters:
  ///   - redraws: whether a line can be redrawn.
  ///   - columns: of the terminal, asked at each drawing.
  ///   - isUTF8: whether it shows block characters.
  ///   - ticks: whether a thread looks each second at what must be shown, however long a piece of work takes.
  ///   - write: receives the text to show, line ends included; clears a line that an earlier text left open.
  ///   - now: seconds of a monotonic clock.
  package init(
    redraws: Bool = StandardError.isTerminal, columns: @escaping @Sendable () -> Int = { StandardError.columns },
    isUTF8: Bool = Terminal.isUTF8, ticks: Bool = false,
    write: @escaping @Sendable (String) -> Void = { StandardError.write($0) },
    now: @escaping @Sendable () -> Double = { Clock.now }
  ) {
    self.redraws = redraws
    self.columns = columns
    self.isUTF8 = isUTF8
    self.ticks = ticks
    self.write = write
    self.now = now
  }

  /// The columns of the terminal that it is shown on; nil if that is none whose lines can be redrawn.
  package var terminalColumns: Int? { redraws ? columns() : nil }

  /// Shows nothing from now on, as on every rank but 0.
  package func hide() { state.withLock { $0.isHidden = true } }

  /// What is being done, the innermost last.
  package var works: [Work] { state.withLock { $0.works } }

  // MARK: - Work

  /// Runs `body` as a piece of work.
  ///
  /// - Parameters:
  ///   - total: how much there is to do; nil if that is not known.
  ///   - done: how much an earlier process has done.
  ///   - unit: of both, as in `Work`.
  package func during<Outcome>(
    _ title: String, of total: Int? = nil, from done: Int = 0, unit: String = "", _ body: () throws -> Outcome
  ) rethrows -> Outcome {
    begin(title, of: total, from: done, unit: unit)
    defer { end() }
    return try body()
  }

  /// - Parameter delay: seconds after which a terminal shows the work.
  package func begin(
    _ title: String, of total: Int? = nil, from done: Int = 0, unit: String = "", delay: Double = 2
  ) {
    let time = now()
    let startsTicker = state.withLock { state in
      if state.works.isEmpty { state.lastLine = max(state.lastLine, time) }
      state.works.append(
        Work(
          title: title, unit: unit, done: done, total: total, begin: time, doneAtBegin: done, updated: time,
          delay: delay)
      )
      defer { state.hasTicker = state.hasTicker || ticks && !state.isHidden }
      return ticks && !state.isHidden && !state.hasTicker
    }
    if startsTicker {
      SystemThread.start("gscnn progress") { [self] in
        while true {
          sleep(1)
          tick()
        }
      }
    }
  }

  /// Changes what is said of the innermost work.
  package func update(_ change: (inout Work) -> Void) {
    let time = now()
    state.withLock { state in
      guard !state.works.isEmpty else { return }
      let last = state.works.count - 1
      let wasDone = state.works[last].isDone
      change(&state.works[last])
      state.works[last].updated = time
      // The end is shown even if the last drawing was a moment ago.
      if !wasDone && state.works[last].isDone { state.lastDrawn = -.infinity }
      show(&state, at: time)
    }
  }

  /// Counts one more as done in the innermost work.
  package func advance() { update { $0.done += 1 } }

  /// Ends the innermost work.
  package func end() {
    state.withLock { state in
      _ = state.works.popLast()
      // Otherwise the outer work is drawn over it.
      guard state.works.isEmpty, state.isDrawn else { return }
      state.isDrawn = false
      write(StandardError.clearLine)
    }
  }

  /// Writes a line that stays.
  package func line(_ text: String) {
    state.withLock { state in
      guard !state.isHidden else { return }
      (state.lastLine, state.isDrawn, state.lastDrawn) = (now(), false, -.infinity)
      write(text + "\n")
    }
  }

  /// Shows what has to be shown by now: the time left on a terminal, a line each minute elsewhere.
  package func tick() {
    let time = now()
    state.withLock { show(&$0, at: time) }
  }

  /// Writes what has to be shown by now. Under the lock, so that nothing is drawn after `end`.
  private func show(_ state: inout State, at time: Double) {
    guard !state.isHidden, let work = state.works.last else { return }
    if redraws {
      guard time - work.begin >= work.delay, time - state.lastDrawn >= Self.drawInterval else { return }
      (state.lastDrawn, state.isDrawn) = (time, true)
      write(StandardError.clearLine + Self.text(work, at: time, columns: columns(), isUTF8: isUTF8))
    } else if time - state.lastLine >= Self.logInterval {
      state.lastLine = time
      write(Self.sentence(work, at: time) + "\n")
    }
  }

  // MARK: - Text

  /// The line of a log: "validating: 120 of 500 images, 55 min left".
  static func sentence(_ work: Work, at now: Double) -> String {
    let parts = [count(work)].compactMap(\.self) + work.notes + [time(work, at: now)]
    return "\(work.title): \(parts.joined(separator: ", "))"
  }

  /// The line of a terminal. One column stays free: the last one wraps on some terminals.
  static func text(_ work: Work, at now: Double, columns: Int, isUTF8: Bool) -> String {
    let width = max(1, columns - 1)
    let count = count(work)
    func line(bar cells: Int, notes: Int) -> String {
      let bar = work.total.map { " " + self.bar(work.done, of: $0, cells: cells, isUTF8: isUTF8) } ?? ""
      let parts = [count].compactMap(\.self) + work.notes.prefix(notes) + [time(work, at: now)]
      return work.title + (cells > 0 ? bar : "") + " " + parts.joined(separator: ", ")
    }
    for notes in stride(from: work.notes.count, through: 0, by: -1) {
      for cells in [16, 8, 0] {
        let candidate = line(bar: cells, notes: notes)
        if candidate.count <= width { return candidate }
      }
    }
    let short = work.total.map { work.unit == "%" ? count ?? "" : "\(work.done)/\($0)" } ?? work.title
    for candidate in ["\(short), \(time(work, at: now))", short] where candidate.count <= width { return candidate }
    return String(short.prefix(width))
  }

  /// A bar of so many character cells.
  package static func bar(_ done: Int, of total: Int, cells: Int, isUTF8: Bool) -> String {
    let filled = min(cells, max(0, cells * done / max(1, total)))
    return String(repeating: isUTF8 ? "█" : "#", count: filled)
      + String(repeating: isUTF8 ? "·" : ".", count: cells - filled)
  }

  private static func count(_ work: Work) -> String? {
    guard let total = work.total else { return work.done > 0 ? "\(work.done) \(work.unit)" : nil }
    return switch work.unit {
    case "%": "\(100 * work.done / max(1, total)) %"
    case "": "\(work.done)/\(total)"
    default: "\(work.done) of \(total) \(work.unit)"
    }
  }

  private static func time(_ work: Work, at now: Double) -> String {
    work.left(at: now).map { "\(String(timeLeft: $0)) left" } ?? "\(String(duration: now - work.begin)) so far"
  }
}
