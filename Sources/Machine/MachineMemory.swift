import System

/// The available memory of this machine.
package enum MachineMemory {
  /// Bytes that programs may still allocate, reclaimable page cache included, within the limit of the container; nil
  /// if the kernel does not report it.
  package static func available() -> Int? {
    let machine = number(in: "/proc/meminfo", after: "MemAvailable:").map { $0 << 10 }
    return [machine, availableInCgroup()].compactMap { $0 }.min()
  }

  private static func availableInCgroup() -> Int? {
    let group = "/sys/fs/cgroup/memory."
    guard let limit = number(in: group + "max"), let used = number(in: group + "current") else { return nil }
    let files = ["inactive_file", "active_file"].reduce(0) { $0 + (number(in: group + "stat", after: $1) ?? 0) }
    return max(0, limit - used + files)
  }

  /// The number at the start of a line, after `prefix`; nil for a word such as "max".
  private static func number(in path: String, after prefix: String = "") -> Int? {
    Procfs.firstLine(of: path, after: prefix).flatMap { line in
      Int(line.drop { $0 == " " }.prefix { $0.isNumber })
    }
  }
}
