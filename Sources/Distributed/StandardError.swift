import Glibc

/// Where messages go.
package enum StandardError {
  /// Whether a person watches. Behind `mpirun` a rank's standard error is a pipe: launch scripts say that there is a
  /// terminal at the other end by setting GSCNN_TERMINAL.
  package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 || getenv("GSCNN_TERMINAL") != nil }

  /// Moves to the beginning of the line and wipes it, so that what follows takes the place of a progress bar.
  package static let wipe = "\r\u{1B}[K"

  /// Writes a text, line ends included. Where that is impossible, as on a full disk, the work goes on without it.
  package static func write(_ text: String) {
    let bytes = Array(text.utf8)
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
