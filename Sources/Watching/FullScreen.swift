import Glibc
import System

/// The whole screen of a terminal, until `end`: what was on it before comes back.
package final class FullScreen {
  private var earlier = termios()
  /// Whether keys can be pressed.
  package let hasInput: Bool

  /// - Returns: nil if standard output is no terminal that can be redrawn.
  package init?() {
    guard isatty(STDOUT_FILENO) == 1, !Terminal.isDumb else { return nil }
    hasInput = tcgetattr(STDIN_FILENO, &earlier) == 0
    if hasInput {
      var keys = earlier
      // Ctrl-C, Ctrl-Z and Ctrl-\ are keys as others: a process that they stop or end would leave the screen as it is.
      keys.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys)
    }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(SIGWINCH, &action, nil)
    // The alternate screen, without cursor, and long lines cut.
    write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J")
  }

  package var size: (columns: Int, rows: Int) { Terminal.size(of: STDOUT_FILENO) ?? (80, 24) }

  /// Replaces what is shown.
  package func show(_ lines: [String]) {
    // Each line is cleared before it is written: after a full line the cursor is still on its last character. The lines
    // below are cleared from the line after the last one, for the same reason.
    let screen = lines.map { "\u{1B}[K" + $0 }.joined(separator: "\r\n")
    write("\u{1B}[H" + screen + (lines.count < size.rows ? "\r\n\u{1B}[J" : ""))
  }

  /// Whether a key is a wish to end: q or Ctrl-C.
  package static func quits(_ key: Character?) -> Bool { key.map { "qQ\u{3}".contains($0) } ?? false }

  /// Waits for a key, a signal or a new size of the terminal, but no longer than this.
  ///
  /// - Returns: the key; nil if there was none.
  package func key(within seconds: Double) -> Character? {
    var input = pollfd(fd: hasInput ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0)
    guard poll(&input, 1, Int32(seconds * 1000)) > 0 else { return nil }
    var byte: UInt8 = 0
    // A terminal that is gone is a wish to end.
    guard read(STDIN_FILENO, &byte, 1) == 1 else { return "q" }
    return Character(Unicode.Scalar(byte))
  }

  /// Gives the terminal back as it was.
  package func end() {
    // Cleared first: a terminal that was resized meanwhile may otherwise leave some of its lines behind.
    write("\u{1B}[H\u{1B}[2J\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
    if hasInput { tcsetattr(STDIN_FILENO, TCSAFLUSH, &earlier) }
  }

  private func write(_ text: String) { writeText(text, to: STDOUT_FILENO) }
}
