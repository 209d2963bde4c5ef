import ArgumentParser
import Distributed
import Foundation
import System
import Training
import Watching

struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Shows a run while it goes on, or after it: curves, last epochs and steps, ranks that lag.",
    discussion: """
      Reads files alone: for another terminal, or another machine with the same disk. q or Ctrl-C quits. Waits for a run \
      that has not begun, and follows one that is resumed. Where the screen cannot be redrawn (a pipe, TERM=dumb) it \
      prints what there is once.
      """)

  @Argument(help: .value("results", "The folder of --save-path, or P of one of the runs in it."))
  var results = defaults.savePath

  @Flag(help: "Print what there is once, and end.")
  var once = false

  func run() throws {
    let reader = RunReader(results, host: Communicator.hostName)
    guard !once, let screen = FullScreen() else { return try printOnce(reader) }
    StopSignal.listen()
    defer { screen.end() }
    repeat {
      let size = screen.size
      let lines = reader.read().map { frame($0, columns: size.columns, rows: size.rows - 1) } ?? waiting(size.columns)
      screen.show(
        lines.prefix(max(1, size.rows - 1)) + [
          (screen.hasInput ? "q quits" : "Ctrl-C quits").prefix(terminalColumns: size.columns)
        ])
    } while StopSignal.received == nil && !FullScreen.quits(screen.key(within: 1))
  }

  private func printOnce(_ reader: RunReader) throws {
    guard let found = reader.read() else {
      throw TrainingError("\(results): holds no run yet; give the --save-path of one, or watch it on a terminal")
    }
    let columns = Terminal.size(of: FileHandle.standardOutput.fileDescriptor)?.columns ?? StandardError.columns
    for line in frame(found, columns: columns, rows: nil) { print(line) }
  }

  private func waiting(_ columns: Int) -> [String] {
    ["\(results): no run has begun there yet; waiting for one".prefix(terminalColumns: columns)]
  }

  private func frame(_ run: WatchedRun, columns: Int, rows: Int?) -> [String] {
    let isTerminal = isatty(FileHandle.standardOutput.fileDescriptor) == 1
    return WatchFrame(
      run,
      on: WatchFrame.Screen(
        columns: columns, rows: rows, isUTF8: Terminal.isUTF8, hasColor: isTerminal && Terminal.allowsColor)
    ).lines
  }
}
