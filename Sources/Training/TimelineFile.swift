import Distributed
import Foundation
import System

/// The timelines of all ranks in one file in the trace event format, for Perfetto (ui.perfetto.dev) and Chrome
/// (chrome://tracing): a process for each rank, a row for each track.
package struct TimelineFile {
  package let path: String
  private let communicator: Communicator

  /// Checks on rank 0 that the file can be written, so that the error comes before the run and not after it.
  ///
  /// - Throws: `OptionError` on rank 0 if it cannot.
  package init(_ path: String, communicator: Communicator) throws {
    self.path = path
    self.communicator = communicator
    guard communicator.rank == 0 else { return }
    let folder = FileSystem.parent(of: path)
    func isFolder(_ path: String) -> Bool { FileSystem.isDirectory(path, followingLinks: true) }
    guard !isFolder(path) else { throw OptionError("--timeline", path, "is a folder; give the name of a file") }
    guard isFolder(folder) else {
      throw OptionError("--timeline", path, "there is no folder \(folder); make it, or give another path")
    }
    guard access(folder, W_OK) == 0 else {
      throw OptionError(
        "--timeline", path, "its folder cannot be written; change its permissions, or give another path")
    }
  }

  /// An empty timeline for this rank. All ranks together keep 2.6·10⁵ events, 30 MB of text; a step has about 10³ a rank.
  package func timeline() -> Timeline { Timeline(capacity: max(1 << 12, (1 << 18) / communicator.size)) }

  /// Gathers the events of all ranks on rank 0, which writes the file. Collective.
  package func write(_ timeline: Timeline) throws {
    // Clocks drift apart: they are compared at the end, because the latest events are kept.
    let offset = communicator.clockOffsetToRank0 { Clock.now }
    let parts = communicator.gather(
      Self.lines(of: timeline, rank: communicator.rank, host: communicator.host, offset: offset))
    guard communicator.rank == 0 else { return }
    var text = Data("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n".utf8)
    for (index, part) in parts.enumerated() {
      if index > 0 { text.append(contentsOf: ",\n".utf8) }
      text.append(contentsOf: part)
    }
    text.append(contentsOf: "\n]}\n".utf8)
    do {
      try FileSystem().replaceFile(path, with: text)
    } catch {
      throw TrainingError(
        "\(path): the timeline cannot be written (\(error.posixMessage)); make room or give another path")
    }
  }

  /// A rank's events in the trace event format, an event a line, without the last comma.
  ///
  /// - Parameter offset: seconds to add to this rank's times.
  package static func lines(of timeline: Timeline, rank: Int, host: String, offset: Double) -> [UInt8] {
    let (events, dropped) = timeline.recorded
    let note = dropped == 0 ? "" : ", \(dropped) earlier events left out"
    var lines = [
      #"{"ph":"M","pid":\#(rank),"name":"process_name","args":{"name":\#(JSON.quoted("rank \(rank) on \(host)\(note)"))}}"#,
      #"{"ph":"M","pid":\#(rank),"name":"process_sort_index","args":{"sort_index":\#(rank)}}"#,
    ]
    for (row, (track, lane, inRow)) in rows(of: events).enumerated() {
      let name = lane == 0 ? track.title : "\(track.title) \(lane + 1)"
      lines.append(
        #"{"ph":"M","pid":\#(rank),"tid":\#(row),"name":"thread_name","args":{"name":\#(JSON.quoted(name))}}"#)
      lines.append(
        #"{"ph":"M","pid":\#(rank),"tid":\#(row),"name":"thread_sort_index","args":{"sort_index":\#(row)}}"#)
      for event in inRow {
        let bytes = event.bytes.map { #","args":{"bytes":\#($0)}"# } ?? ""
        // Both ends are rounded, so that consecutive events share their common end.
        let (begin, end) = (nanoseconds(event.begin + offset), nanoseconds(event.end + offset))
        lines.append(
          #"{"ph":"X","pid":\#(rank),"tid":\#(row),"ts":\#(microseconds(begin)),"#
            + #""dur":\#(microseconds(end - begin)),"name":\#(JSON.quoted(event.name))\#(bytes)}"#)
      }
    }
    return Array(lines.joined(separator: ",\n").utf8)
  }

  /// The events of each track, in as many rows as needed so that events in a row are nested or disjoint.
  private static func rows(
    of events: [Timeline.Event]
  ) -> [(track: Timeline.Track, lane: Int, events: [Timeline.Event])] {
    Timeline.Track.allCases.flatMap { track in
      // Several images may be loaded at once; all other events are disjoint or nested.
      let own = events.filter { $0.track == track }.sorted { ($0.begin, -$0.end) < ($1.begin, -$1.end) }
      guard track == .loading else { return own.isEmpty ? [] : [(track, 0, own)] }
      var lanes: [[Timeline.Event]] = []
      for event in own {
        if let lane = lanes.firstIndex(where: { ($0.last?.end ?? 0) <= event.begin }) {
          lanes[lane].append(event)
        } else {
          lanes.append([event])
        }
      }
      return lanes.enumerated().map { (track, $0, $1) }
    }
  }

  private static func nanoseconds(_ seconds: Double) -> Int64 { Int64((seconds * 1e9).rounded()) }

  /// Microseconds with three decimals: much faster than `JSONEncoder`.
  private static func microseconds(_ nanoseconds: Int64) -> String {
    let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
    return (nanoseconds < 0 ? "-" : "") + "\(whole)." + rest.zeroPadded(to: 3)
  }
}

extension Timeline.Track {
  fileprivate var title: String {
    switch self {
    case .compute: "compute"
    case .communication: "all-reduce"
    case .loading: "loading"
    case .checkpoints: "checkpoint writer"
    }
  }
}
