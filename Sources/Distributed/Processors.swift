import CLinux
import Glibc

/// What the system lets this process compute on.
///
/// A processor is what the kernel numbers: a hardware thread. A core may have several of them, which share its
/// arithmetic units: one compute thread keeps it busy.
package enum Processors {
  /// Numbers of the processors in this thread's affinity mask that are running, ascending.
  package static func available() -> [Int] {
    let online = Procfs.list(in: "/sys/devices/system/cpu/online") ?? []
    let allowed =
      Procfs.firstLine(of: "/proc/thread-self/status", after: "Cpus_allowed_list:").map(Procfs.numbers(inList:))
      ?? online
    let available = online.isEmpty ? allowed : Set(allowed).intersection(online).sorted()
    return available.isEmpty ? Array(0..<max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) : available
  }

  /// Confines this thread, and those that it starts from now on, to some processors.
  /// - Returns: whether the system allowed it; where not, nothing has changed.
  package static func confine(to processors: [Int]) -> Bool {
    // 64 processors a word, as many words as the largest number needs.
    var words = [UInt](repeating: 0, count: (processors.max() ?? 0) / UInt.bitWidth + 1)
    for processor in processors { words[processor / UInt.bitWidth] |= 1 << UInt(processor % UInt.bitWidth) }
    return words.withUnsafeBytes { CLinux.sched_setaffinity(0, $0.count, $0.baseAddress) } == 0
  }
}
