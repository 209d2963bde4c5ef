import Foundation
import System
import Training

/// What `gscnn watch` shows of a run: lines of text for a terminal of a given size.
package struct WatchFrame {
  /// What the terminal can show.
  package struct Screen: Sendable {
    package var columns: Int
    /// Nil if the lines may be as many as there are.
    package var rows: Int?
    package var isUTF8: Bool
    package var hasColor: Bool

    package init(columns: Int, rows: Int?, isUTF8: Bool, hasColor: Bool) {
      (self.columns, self.rows, self.isUTF8, self.hasColor) = (columns, rows, isUTF8, hasColor)
    }
  }

  /// A line, as a whole in one color.
  private struct Line {
    var text: String
    var style = Style.plain

    enum Style: String {
      case plain = ""
      case title = "1"
      case head = "2"
      case good = "32"
      case bad = "31"
    }
  }

  /// Seconds without news after which a run is no longer said to go on; it writes its status each second.
  private static let patience = 15.0

  private let run: WatchedRun
  private let screen: Screen
  private let timeZone: TimeZone

  package init(_ run: WatchedRun, on screen: Screen, timeZone: TimeZone = .current) {
    self.run = run
    self.screen = screen
    self.timeZone = timeZone
  }

  /// The lines, of at most `columns` columns and at most `rows`.
  package var lines: [String] {
    let header = header
    let ranks = ranks
    guard let rows = screen.rows else {
      return fit(header + curves(rows: 10) + epochs(most: 10) + steps(most: 5) + ranks, rows: .max)
    }
    // What is most worth the room comes first: header, ranks that lag, curves, tables.
    var left = rows - header.count
    let shown = left - ranks.count >= 8 ? ranks : []
    left -= shown.count
    let curves = left >= 8 ? curves(rows: min(16, max(left / 2, 6))) : []
    left -= curves.count
    let epochs = epochs(most: max(0, min(run.epochs.count, left / 2 - 2)))
    left -= epochs.count
    return fit(header + curves + epochs + steps(most: max(0, left - 2)) + shown, rows: rows)
  }

  private func fit(_ lines: [Line], rows: Int) -> [String] {
    lines.prefix(rows).map { line in
      let text = line.text.prefix(terminalColumns: screen.columns)
      guard screen.hasColor, line.style != .plain, !text.isEmpty else { return text }
      return "\u{1B}[\(line.style.rawValue)m\(text)\u{1B}[0m"
    }
  }

  // MARK: - Header

  private var header: [Line] {
    let style = state.isBad ? Line.Style.bad : .title
    let name = run.prefix.terminalColumns * 2 <= screen.columns ? run.prefix : FileSystem.name(of: run.prefix)
    var lines = Self.wrapped("\(name): \(state.text)", columns: screen.columns).map { Line(text: $0, style: style) }
    func add(_ parts: [String?]) {
      lines += Self.joined(parts.compactMap(\.self), columns: screen.columns).map { Line(text: $0) }
    }
    if let status = run.status {
      let hosts = Set(status.ranks.map(\.host))
      let where_ = hosts.count > 1 ? "\(hosts.count) hosts" : "host \(status.host)"
      add([
        "since \(date(status.begin)) (\(String(duration: status.time - status.begin)))",
        "\(status.ranks.count) \(status.ranks.count == 1 ? "rank" : "ranks") on \(where_)", "process \(status.process)",
        run.starts.flatMap { $0.count > 1 ? "start \($0.count) of a run begun \(date($0.first))" : nil },
      ])
    }
    add([
      position, loss.map { "loss \(String(loss: $0))" },
      run.status?.imagesPerSecond.map { String(format: "%.2f images/s", $0) },
      isRunning ? run.status?.secondsLeft.map { "\(String(timeLeft: $0)) left" } : nil,
    ])
    if isRunning, let phase = run.status?.phase { lines.append(Line(text: text(phase))) }
    if !run.others.isEmpty {
      let names = run.others.map(FileSystem.name)
      lines.append(Line(text: "also here: \(names.abbreviated(to: 3).joined(separator: ", "))", style: .head))
    }
    return lines
  }

  private var position: String? {
    // The status may be some seconds older than the last step, if the run was killed.
    if let status = run.status, let epoch = status.epoch, let step = status.step,
      run.steps.last.map({ ($0.epoch, $0.step) <= (epoch, step) }) ?? true
    {
      return
        "epoch \(epoch)\(status.epochs.map { "/\($0)" } ?? ""), step \(step)\(status.stepsPerEpoch.map { "/\($0)" } ?? "")"
    }
    return run.steps.last.map { "epoch \($0.epoch), step \($0.step)" }
  }

  private var loss: Double? { run.steps.last?.loss ?? run.status?.loss }

  private var isRunning: Bool { run.status?.state == .running && !state.isBad }

  /// Whether the run goes on, as far as its files and this machine's processes tell.
  private var state: (text: String, isBad: Bool) {
    guard let status = run.status else {
      return run.holder.map { ("is in use by process \($0.process) on \($0.host)", false) }
        ?? ("no status file: written by an earlier version, or not started", false)
    }
    switch status.state {
    case .finished: return ("finished \(date(status.time))", false)
    case .stopped: return ("stopped \(date(status.time)); --resume auto goes on", false)
    case .failed: return ("ended by an error \(date(status.time)); see its log", true)
    case .running: break
    }
    let age = run.statusAge ?? 0
    guard age >= Self.patience || run.isProcessThere == false else { return ("running", false) }
    let silence = "no news for \(String(duration: age))"
    switch run.isProcessThere {
    case false?: return ("\(silence): process \(status.process) has been killed; --resume auto goes on", true)
    case true?:
      return ("\(silence), though process \(status.process) is there: its disk or the process stands still", true)
    case nil:
      return ("\(silence): process \(status.process) on \(status.host) has been killed, or its disk stands still", true)
    }
  }

  private func text(_ phase: RunStatus.Phase) -> String {
    guard let total = phase.total else { return phase.title }
    // The time left in an epoch is that of the training, which the line above says.
    let left = phase.unit.isEmpty ? nil : phase.secondsLeft.map { "\(String(timeLeft: $0)) left" }
    let count =
      phase.unit == "%"
      ? "\(100 * phase.done / max(1, total)) %"
      : "\(phase.done) of \(total)" + (phase.unit.isEmpty ? "" : " \(phase.unit)")
    func line(_ bar: String?, _ count: String) -> String {
      "\(phase.title) " + (bar.map { "\($0) " } ?? "") + [count, left].compactMap(\.self).joined(separator: ", ")
    }
    let plain = line(nil, count)
    let cells = min(32, screen.columns - plain.count - 1)
    if cells >= 8 {
      return line(ProgressLine.bar(phase.done, of: total, cells: cells, isUTF8: screen.isUTF8), count)
    }
    return plain.count <= screen.columns || phase.unit == "%" ? plain : line(nil, "\(phase.done)/\(total)")
  }

  /// Parts of a sentence on as few lines as have room for them.
  private static func joined(_ parts: [String], columns: Int) -> [String] {
    parts.reduce(into: [String]()) { lines, part in
      if let last = lines.last, last.count + 2 + part.count <= columns {
        lines[lines.count - 1] = "\(last), \(part)"
      } else {
        lines.append(part)
      }
    }
  }

  private func date(_ time: Double) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = timeZone
    formatter.dateFormat = "yyyy-MM-dd HH:mm"
    return formatter.string(from: Date(timeIntervalSince1970: time))
  }

  // MARK: - Curves

  /// The loss of the steps and the class mIoU of the validations, side by side if there is room.
  private func curves(rows: Int) -> [Line] {
    let losses = run.steps.map(\.loss)
    let scores = run.epochs.map { $0["val_class_mIOU"] }
    let hasLoss = losses.contains { $0?.isFinite ?? false }
    let isWide = screen.columns >= 72
    // Two curves one below the other need some height.
    let hasScores = scores.contains { $0?.isFinite ?? false } && (isWide || rows >= 8 || !hasLoss)
    let width = hasLoss && hasScores && isWide ? (screen.columns - 4) / 2 : screen.columns
    // Each curve has a title; below it is an empty line.
    let height = (hasLoss && hasScores && !isWide ? rows / 2 : rows) - 2
    guard width >= 12, height >= 2 else { return [] }
    var blocks: [[String]] = []
    if hasLoss {
      let drawn = TextCurve(values: losses, isUTF8: screen.isUTF8).lines(columns: width, rows: height) {
        abs($0) < 1e5 ? String(format: $0 < 10 ? "%.3f" : "%.1f", $0) : String(loss: $0)
      }
      blocks.append(["loss of \(losses.count) \(losses.count == 1 ? "step" : "steps")"] + drawn)
    }
    if hasScores {
      let drawn = TextCurve(values: scores, isUTF8: screen.isUTF8).lines(columns: width, rows: height) {
        String(format: "%.1f", $0)
      }
      let count = scores.count { $0 != nil }
      blocks.append(["class mIoU of \(count) \(count == 1 ? "validation" : "validations"), %"] + drawn)
    }
    guard let first = blocks.first else { return [] }
    let lines: [String]
    if blocks.count == 2, isWide {
      lines = first.indices.map { row in
        first[row].prefix(terminalColumns: width).padded(to: width + 4) + blocks[1][row]
      }
    } else {
      lines = Array(blocks.joined())
    }
    return [Line(text: "")]
      + lines.enumerated().map { index, text in
        Line(text: text, style: index % (height + 1) == 0 ? .head : .plain)
      }
  }

  // MARK: - Tables

  /// The last epochs, the newest last.
  private func epochs(most: Int) -> [Line] {
    guard most > 0, !run.epochs.isEmpty else { return [] }
    let hasAverage = run.epochs.contains { $0["ema_val_class_mIOU"] != nil }
    // Figures of a model whose loss is not a number mean nothing.
    let best = run.epochs.enumerated()
      .filter { $0.element["val_class_mIOU"] != nil && $0.element["val_loss"]?.isFinite == true }
      .max { ($0.element["val_class_mIOU"] ?? 0) < ($1.element["val_class_mIOU"] ?? 0) }?.offset
    var table = [
      ["epoch", "val mIoU", "val loss", "train mIoU", "train loss", "val PA"] + (hasAverage ? ["ema mIoU"] : [])
    ]
    let first = max(0, run.epochs.count - most)
    for row in run.epochs[first...] {
      func percent(_ column: String) -> String { row[column].map { String(format: "%.2f", $0) } ?? "-" }
      func loss(_ column: String) -> String { row[column].map { String(loss: $0) } ?? "-" }
      table.append(
        [
          row.fields["epoch"] ?? "", percent("val_class_mIOU"), loss("val_loss"), percent("train_class_mIOU"),
          loss("train_loss"), percent("val_PA"),
        ] + (hasAverage ? [percent("ema_val_class_mIOU")] : []))
    }
    // The word behind the best one has room too.
    let lines = TextTable(table).lines(columns: screen.columns - 6)
    return [Line(text: "")]
      + lines.enumerated().map { index, text in
        guard index > 0 else { return Line(text: text, style: .head) }
        let isBest = first + index - 1 == best
        return Line(text: isBest ? text + "  best" : text, style: isBest ? .good : .plain)
      }
  }

  /// The last steps, the newest last.
  private func steps(most: Int) -> [Line] {
    guard most > 0, !run.steps.isEmpty else { return [] }
    let rows = run.steps.suffix(most).map { step in
      [
        "\(step.epoch)", "\(step.step)", step.loss.map { String(loss: $0) } ?? "-", step.imagesPerSecond,
        step.learningRate,
      ]
    }
    let lines = TextTable([["epoch", "step", "loss", "images/s", "learning rate"]] + rows).lines(
      columns: screen.columns)
    return [Line(text: "")] + lines.enumerated().map { Line(text: $1, style: $0 == 0 ? .head : .plain) }
  }

  // MARK: - Ranks

  /// The ranks that hold up the others: those that wait least, if they wait much less than the rest.
  static func laggards(_ ranks: [RunStatus.Rank]) -> (ranks: [Int], share: Double, others: Double)? {
    let known = ranks.compactMap { rank in rank.waitingShare.map { (rank: rank.rank, share: $0) } }.sorted {
      $0.share < $1.share
    }
    guard known.count > 1, known.count == ranks.count else { return nil }
    let median = known[known.count / 2].share
    let least = known.filter { $0.share <= median / 2 && median - $0.share >= 0.1 }
    guard let first = least.first else { return nil }
    return (least.map(\.rank), first.share, median)
  }

  private var ranks: [Line] {
    guard let status = run.status, isRunning, status.ranks.count > 1 else { return [] }
    // Outside of the steps, which are counted without a unit, ranks wait as they should: for rank 0, which writes
    // something alone, or for the one with the largest image of a validation.
    let isTraining = status.phase.map { $0.total != nil && $0.unit.isEmpty } ?? false
    let laggards = isTraining ? Self.laggards(status.ranks) : nil
    let silent = status.ranks.filter { $0.heardSecondsAgo >= 5 }
    // Those to look at first, and a few of the others.
    let order = status.ranks.sorted {
      ($1.heardSecondsAgo >= 5 ? 1 : 0, $0.waitingShare ?? 1, $0.rank) < (
        $0.heardSecondsAgo >= 5 ? 1 : 0, $1.waitingShare ?? 1, $1.rank
      )
    }
    let most = 6
    var rows = [["rank", "waits", "step", "doing", "host"]]
    for rank in order.prefix(most) {
      let doing = rank.phase + (rank.image > 0 ? ", image \(rank.image)" : "")
      rows.append([
        "\(rank.rank)", rank.waitingShare.map { "\(Int((100 * $0).rounded())) %" } ?? "-", "\(rank.step)", doing,
        rank.host,
      ])
    }
    var lines = TextTable(rows).lines(columns: screen.columns).enumerated().map {
      Line(text: $1, style: $0 == 0 ? .head : .plain)
    }
    if order.count > most { lines.append(Line(text: "and \(order.count - most) more ranks", style: .head)) }
    if let laggards {
      let named = laggards.ranks.prefix(3).map(String.init).joined(separator: ", ")
      let (own, others) = (Int((100 * laggards.share).rounded()), Int((100 * laggards.others).rounded()))
      let text =
        laggards.ranks.count == 1
        ? "rank \(named) holds up \(status.ranks.count == 2 ? "the other" : "the others"): it waits for \(own) % of the time, "
          + (status.ranks.count == 2 ? "the other for \(others) %" : "they for \(others) %")
        : "ranks \(named)\(laggards.ranks.count > 3 ? " and \(laggards.ranks.count - 3) more" : "") hold up the others: they wait for \(own) % of the time, the others for \(others) %"
      lines += Self.wrapped(text, columns: screen.columns).map { Line(text: $0, style: .bad) }
    }
    for rank in silent.prefix(2) {
      let text = "rank \(rank.rank) on \(rank.host) has not reported for \(String(duration: rank.heardSecondsAgo))"
      lines += Self.wrapped(text, columns: screen.columns).map { Line(text: $0, style: .bad) }
    }
    return [Line(text: "")] + lines
  }

  /// A sentence on lines of at most so many columns.
  private static func wrapped(_ text: String, columns: Int) -> [String] {
    text.split(separator: " ").reduce(into: [String]()) { lines, word in
      if let last = lines.last, last.count + 1 + word.count <= columns {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
  }
}

extension String {
  fileprivate func padded(to columns: Int) -> String {
    self + String(repeating: " ", count: max(0, columns - terminalColumns))
  }
}
