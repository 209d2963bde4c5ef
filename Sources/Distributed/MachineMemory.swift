import Glibc

/// How much memory this machine has left.
package enum MachineMemory {
  /// Bytes that programs may still take, with those that the system holds files in; nil where the system does not say.
  package static func available() -> Int? {
    let machine = number(in: "/proc/meminfo", after: "MemAvailable:").map { $0 << 10 }
    return [machine, leftOfContainer()].compactMap { $0 }.min()
  }

  /// Bytes that may still be put into memory which processes share, and the folder that they count in; nil where the
  /// system does not say.
  package static func availableToShare() -> (folder: String, bytes: Int)? {
    // Where Open MPI has the files behind its windows.
    let folder = getenv("OMPI_MCA_osc_sm_backing_directory").map { String(cString: $0) } ?? "/dev/shm"
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return (folder, Int(status.f_bavail) * Int(status.f_frsize))
  }

  private static func leftOfContainer() -> Int? {
    let group = "/sys/fs/cgroup/memory."
    guard let most = number(in: group + "max"), let used = number(in: group + "current") else { return nil }
    let files = ["inactive_file", "active_file"].reduce(0) { $0 + (number(in: group + "stat", after: $1) ?? 0) }
    return max(0, most - used + files)
  }

  /// The number that a line begins with, or that follows `name` in it; nil for a word such as "max".
  private static func number(in path: String, after name: String = "") -> Int? {
    Procfs.firstLine(of: path, after: name).flatMap { line in
      Int(line.drop { $0 == " " }.prefix { $0.isNumber })
    }
  }
}
