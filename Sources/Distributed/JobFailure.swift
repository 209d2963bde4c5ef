import COpenMPI
import Glibc

/// An error that every rank meets alike, because they have exchanged what it comes from: rank 0 reports it for all.
package protocol CollectiveError: Error {
  /// What there is to say of each of several findings; each gets a line, before that of the error itself.
  var findings: [String] { get }
}

extension CollectiveError {
  package var findings: [String] { [] }
}

extension Communicator {
  /// Reports an error in one line on standard error and ends the whole job. Where there are several ranks the line says
  /// which one met it, on which host, unless all did.
  ///
  /// Works before `start` and after `finish` too. The line is the last thing on the screen: nothing is printed after it
  /// here, and of what `mpirun` itself prints when a process is killed or exits with a status, `mpirun --quiet` (which
  /// launch scripts should pass) leaves out the rest.
  ///
  /// - Parameter remedy: what to do about it, added to the line.
  package static func fail(_ error: any Error, remedy: String? = nil, status: Int32 = 1) -> Never {
    fail("\(error)" + (remedy.map { "; \($0)" } ?? ""), error, status: status)
  }

  /// Reports a message as `fail` does, and ends the whole job.
  package func abort(_ message: String, status: Int32 = 1) -> Never { Self.fail(message, nil, status: status) }

  private static func fail(_ message: String, _ error: (any Error)?, status: Int32) -> Never {
    let (rank, size) = placeInJob()
    let shared = error as? any CollectiveError
    if shared != nil, rank > 0 {
      // Rank 0 is about to end this process; if it cannot, the job must end all the same.
      pause(seconds: 10)
    }
    fflush(nil)
    let text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    let place = size > 1 && (shared == nil || rank > 0) ? "rank \(rank) on \(hostName): " : ""
    let findings = shared?.findings.map { "gscnn: \($0)\n" } ?? []
    // In one piece, so that nothing of another process comes between.
    StandardError.write(
      (StandardError.isTerminal ? StandardError.wipe : "") + findings.joined() + "gscnn: \(place)\(text)\n")
    if isConnected() { mpiEndJob(status) }
    exit(status)
  }

  /// Ends the job unless a call of MPI succeeded.
  /// - Parameter doing: what the call is for.
  static func check(_ code: Int32, _ doing: StaticString) {
    guard code != MPI_SUCCESS else { return }
    // When a rank fails or is killed, the others may first see a broken connection. What happened to that rank is worth
    // more on the screen than this, and the end of the job is on its way.
    pause(seconds: 2)
    fail("MPI failed (\(doing)): \(text(of: code))", nil, status: 1)
  }

  func check(_ code: Int32, _ doing: StaticString) { Self.check(code, doing) }

  /// Sleeps to the end: the launcher's SIGTERM, where the program listens to signals, wakes a single `sleep`.
  private static func pause(seconds: UInt32) {
    var left = seconds
    while left > 0 { left = sleep(left) }
  }

  /// What MPI says about an error code.
  static func text(of code: Int32) -> String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
  }

  private static func isConnected() -> Bool {
    var started: Int32 = 0
    var finished: Int32 = 0
    MPI_Initialized(&started)
    MPI_Finalized(&finished)
    return started != 0 && finished == 0
  }

  /// What MPI says, or else the launcher.
  private static func placeInJob() -> (rank: Int, size: Int) {
    if isConnected() {
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
