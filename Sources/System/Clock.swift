import Glibc

/// The clock that every duration and every timeline event is measured with.
package enum Clock {
  /// Seconds of CLOCK_MONOTONIC, which never goes back.
  package static var now: Double { seconds(of: CLOCK_MONOTONIC) }

  /// Seconds of processor time that all threads of this process have used.
  package static var processorTime: Double { seconds(of: CLOCK_PROCESS_CPUTIME_ID) }

  private static func seconds(of clock: Int32) -> Double {
    var time = timespec()
    clock_gettime(clockid_t(clock), &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}
