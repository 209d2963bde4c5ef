import Glibc

/// The memory that this process has used.
package enum ProcessUsage {
  /// The most that was resident at once (getrusage).
  package static var peakMegabytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}
