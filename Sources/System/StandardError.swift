import Glibc
import Synchronization

/// The standard error stream, where messages and progress go.
package enum StandardError {
  /// Whether it is a terminal whose lines can be redrawn. Under `mpirun` it is a pipe; launch scripts set GSCNN_TERMINAL to
  /// the terminal's columns if the pipe ends at one.
  package static var isTerminal: Bool {
    if isatty(STDERR_FILENO) == 1 { return !Terminal.isDumb }
    return getenv("GSCNN_TERMINAL") != nil && Terminal.variable("TERM") != "dumb"
  }

  /// The columns of its terminal, which may change while the program runs; 80 if nobody knows.
  package static var columns: Int {
    if let size = Terminal.size(of: STDERR_FILENO) { return size.columns }
    // Under mpirun a rank of this machine still belongs to the terminal.
    let terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC)
    defer { if terminal >= 0 { close(terminal) } }
    if terminal >= 0, let size = Terminal.size(of: terminal) { return size.columns }
    // At the start of the job.
    let given = ["GSCNN_TERMINAL", "COLUMNS"].lazy.compactMap { Terminal.variable($0).flatMap { Int($0) } }
    return given.first { $0 >= 10 } ?? 80
  }

  /// The control sequence that clears the line, so that what follows replaces a progress bar.
  package static let clearLine = "\r\u{1B}[K"

  /// Writes a text as it is, but bytes of paths that are not UTF-8 as `\\xf6`. Errors, such as a full disk, are ignored.
  ///
  /// A line that an earlier text has left open on a terminal is cleared before it.
  package static func write(_ text: String) { writeText(closingLine(before: text), to: STDERR_FILENO) }

  private static func closingLine(before text: String) -> String {
    let isOpen = !text.hasSuffix("\n") && text != clearLine
    let wasOpen = hasOpenLine.exchange(isOpen, ordering: .relaxed)
    return (wasOpen && isTerminal && !text.hasPrefix("\r") ? clearLine : "") + text
  }

  /// Discards what this process writes there from now on, but for `writeLast`: libraries have much to say about the
  /// end of a job.
  package static func silence() {
    guard lastMessages.load(ordering: .relaxed) == STDERR_FILENO else { return }
    let copy = dup(STDERR_FILENO)
    let null = open("/dev/null", O_WRONLY)
    guard copy >= 0, null >= 0 else { return }
    lastMessages.store(copy, ordering: .relaxed)
    dup2(null, STDERR_FILENO)
    close(null)
  }

  /// Writes a text even after `silence`, and the status with which the job ends to the file that a launch script has made
  /// for it.
  package static func writeLast(_ text: String, status: Int32) {
    writeText(closingLine(before: text), to: lastMessages.load(ordering: .relaxed))
    guard let path = getenv("GSCNN_REPORT") else { return }
    let report = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard report >= 0 else { return }
    writeText("\(status)\n", to: report)
    close(report)
  }
}

/// Writes a text to a descriptor as it is, but bytes of paths that are not UTF-8 as `\\xf6`. Errors are ignored.
package func writeText(_ text: String, to descriptor: Int32) {
  let bytes = Array(text.printable.utf8)
  var done = 0
  while done < bytes.count {
    let written = bytes.withUnsafeBytes { buffer in
      retryingInterrupted { Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done) }
    }
    guard written > 0 else { return }
    done += written
  }
}

/// Whether the last text has no line end, as that of a progress line.
private let hasOpenLine = Atomic<Bool>(false)

/// Where `writeLast` writes.
private let lastMessages = Atomic<Int32>(STDERR_FILENO)
