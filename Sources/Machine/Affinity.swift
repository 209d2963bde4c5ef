import CLinux
import Glibc
import System

/// CPU affinity: the processors that the kernel may run this thread on.
///
/// A processor is what the kernel numbers: a hardware thread. A core may have several of them, which share its
/// arithmetic units, so that one compute thread keeps a core busy.
package enum Affinity {
  /// Numbers of the processors in this thread's affinity mask that are online, ascending.
  package static var current: [Int] {
    let online = Procfs.list(in: "/sys/devices/system/cpu/online") ?? []
    let allowed =
      Procfs.firstLine(of: "/proc/thread-self/status", after: "Cpus_allowed_list:").map(Procfs.numbers(inList:))
      ?? online
    let current = online.isEmpty ? allowed : Set(allowed).intersection(online).sorted()
    return current.isEmpty ? Array(0..<max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) : current
  }

  /// Sets the affinity mask of this thread, which the threads that it starts inherit.
  ///
  /// - Returns: whether the kernel allowed it. If not, the mask is unchanged.
  package static func set(_ processors: [Int]) -> Bool {
    var mask = [UInt](repeating: 0, count: (processors.max() ?? 0) / UInt.bitWidth + 1)
    for processor in processors { mask[processor / UInt.bitWidth] |= 1 << UInt(processor % UInt.bitWidth) }
    return mask.withUnsafeBytes { CLinux.sched_setaffinity(0, $0.count, $0.baseAddress) } == 0
  }
}
