import COpenMPI
import Glibc
import System

/// An error that every rank throws, because it follows from data that all of them have. Only rank 0 reports it.
package protocol CollectiveError: Error {
  /// Details of one kind. The first five get a line each before that of the error, the others are counted.
  var findings: [String] { get }
}

extension CollectiveError {
  package var findings: [String] { [] }
}

extension Communicator {
  /// Ends all ranks of the job after printing one line on standard error. In a job of several ranks the line names the
  /// rank and host that failed, unless all did (`CollectiveError`). Runs the `CleanupHandlers` of this process first.
  ///
  /// May also be called before `initialize` and after `finalize`. The line is the last one of the output: launch
  /// scripts pass `mpirun --quiet`, which suppresses what `mpirun` itself prints about a failed process.
  ///
  /// - Parameter remedy: what to do about it, added to the line.
  package static func fail(_ error: any Error, remedy: String? = nil, status: Int32 = 1) -> Never {
    fail("\(error)" + (remedy.map { "; \($0)" } ?? ""), error, status: status)
  }

  /// How long the handlers may take: a checkpoint of 300 MB on a slow disk.
  private static let cleanupSeconds = 60.0

  private static func fail(_ message: String, _ error: (any Error)?, status: Int32) -> Never {
    CleanupHandlers.run(within: cleanupSeconds)
    let (rank, size) = rankAndSize()
    let collective = error as? any CollectiveError
    if collective != nil, rank > 0 {
      // Rank 0 reports the error and ends the job, this process included; should it fail to, this rank does so.
      pause(seconds: UInt32(cleanupSeconds) + 10)
    }
    let text = line(of: message)
    let place =
      size > 1 && (collective == nil || rank > 0)
      ? "rank \(rank) on \(hostName) in \(Activity.current.description): " : ""
    if let monitor = JobMonitor.current {
      // Another rank or thread ends the job, this process included; should it fail to, this one does so.
      if monitor.delegate(place + text, status: status) || !monitor.claimEnd() {
        pause(seconds: UInt32(cleanupSeconds) + 10)
      }
      monitor.silenceAll(status: status)
    }
    fflush(nil)
    let findings = collective?.findings.abbreviated().map { "gscnn: \(line(of: $0))\n" } ?? []
    // In one write, so that output of other processes cannot come between.
    StandardError.writeLast(
      (StandardError.isTerminal ? StandardError.clearLine : "") + findings.joined() + "gscnn: \(place)\(text)\n",
      status: status)
    abort(status)
  }

  /// Ends all ranks of the job.
  static func abort(_ status: Int32) -> Never {
    // The launcher may not be there any more to take part.
    SystemThread.start("gscnn abort") {
      pause(seconds: 3)
      _exit(status)
    }
    if isInitialized() { mpiAbort(status) }
    exit(status)
  }

  /// A message on one line without control characters, which may come from a file. Of a long one, the beginning and the
  /// end, where the remedy is.
  private static func line(of message: String) -> String {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ").unicodeScalars.map {
      $0.properties.generalCategory == .control ? "\u{FFFD}" : $0
    }
    func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
      String(String.UnicodeScalarView(scalars))
    }
    return line.count <= 4000 ? text(line) : text(line.prefix(2000)) + " … " + text(line.suffix(1000))
  }

  /// Ends the job unless an MPI call succeeded.
  ///
  /// - Parameters:
  ///   - call: the call, which may wait for other ranks.
  ///   - doing: its purpose.
  static func check(_ call: @autoclosure () -> Int32, _ doing: StaticString) {
    let code = Activity.waiting(call)
    guard code != MPI_SUCCESS else { return }
    // When a rank fails or is killed, the others may see a broken connection before the job is ended. That rank's own
    // message matters more than theirs: leave it the time.
    pause(seconds: 2)
    fail("MPI failed (\(doing)): \(text(of: code))", nil, status: 1)
  }

  func check(_ call: @autoclosure () -> Int32, _ doing: StaticString) { Self.check(call(), doing) }

  /// Sleeps for the whole time: a signal with a handler interrupts a single `sleep`.
  private static func pause(seconds: UInt32) {
    var left = seconds
    while left > 0 { left = sleep(left) }
  }

  /// MPI's text for an error code.
  static func text(of code: Int32) -> String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
  }

  private static func isInitialized() -> Bool {
    var initialized: Int32 = 0
    var finalized: Int32 = 0
    MPI_Initialized(&initialized)
    MPI_Finalized(&finalized)
    return initialized != 0 && finalized == 0
  }

  /// From MPI, else from the launcher's environment variables.
  private static func rankAndSize() -> (rank: Int, size: Int) {
    if isInitialized() {
      var rank: Int32 = 0
      var size: Int32 = 1
      MPI_Comm_rank(mpiWorld(), &rank)
      MPI_Comm_size(mpiWorld(), &size)
      if size > 1 { return (Int(rank), Int(size)) }
    }
    let launcher = Launcher { getenv($0).map { String(cString: $0) } }
    return (launcher?.rank ?? 0, launcher?.processes ?? 1)
  }
}
