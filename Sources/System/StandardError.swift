import Glibc

/// The standard error stream, where messages and progress go.
package enum StandardError {
  /// Whether it is a terminal. Under `mpirun` it is a pipe; launch scripts set GSCNN_TERMINAL if the pipe ends at a
  /// terminal.
  package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 || getenv("GSCNN_TERMINAL") != nil }

  /// The control sequence that clears the line, so that what follows replaces a progress bar.
  package static let clearLine = "\r\u{1B}[K"

  /// Writes a text as it is, but bytes of paths that are not UTF-8 as `\\xf6`. Errors, such as a full disk, are ignored.
  package static func write(_ text: String) {
    let bytes = Array(text.printable.utf8)
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes {
        Glibc.write(STDERR_FILENO, $0.baseAddress.map { $0 + done }, $0.count - done)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return }
      done += written
    }
  }
}
