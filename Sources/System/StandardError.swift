import Glibc
import Synchronization

/// The standard error stream, where messages and progress go.
package enum StandardError {
  /// Whether it is a terminal. Under `mpirun` it is a pipe; launch scripts set GSCNN_TERMINAL if the pipe ends at a
  /// terminal.
  package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 || getenv("GSCNN_TERMINAL") != nil }

  /// The control sequence that clears the line, so that what follows replaces a progress bar.
  package static let clearLine = "\r\u{1B}[K"

  /// Writes a text as it is, but bytes of paths that are not UTF-8 as `\\xf6`. Errors, such as a full disk, are ignored.
  package static func write(_ text: String) { write(text, to: STDERR_FILENO) }

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
    write(text, to: lastMessages.load(ordering: .relaxed))
    guard let path = getenv("GSCNN_REPORT") else { return }
    let report = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard report >= 0 else { return }
    write("\(status)\n", to: report)
    close(report)
  }

  private static func write(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.printable.utf8)
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return }
      done += written
    }
  }
}

/// Where `writeLast` writes.
private let lastMessages = Atomic<Int32>(STDERR_FILENO)
