import Distributed

/// A signal has stopped the program before there was anything to save. Thrown by every rank.
package struct StopRequested: CollectiveError, CustomStringConvertible {
  /// The exit status that the signal requests.
  package let status: Int32

  package init(status: Int32) { self.status = status }

  package var description: String { "stopped by a signal, with nothing to save; start it again" }
}
