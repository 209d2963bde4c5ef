/// The memory that this process has used.
package enum ProcessUsage {
  /// The most that was resident at once, in MB of 2²⁰ bytes: `VmHWM` of `/proc/self/status`, proc(5). What getrusage
  /// returns begins with the peak of the process that started this one.
  package static var peakMegabytes: Int {
    let line = Procfs.firstLine(of: "/proc/self/status", after: "VmHWM:")
    return (line?.split(whereSeparator: \.isWhitespace).first).flatMap { Int($0) }.map { $0 / 1024 } ?? 0
  }
}
