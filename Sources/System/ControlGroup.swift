import Glibc

/// The processors, the CPU quota and the memory that the cgroups of this process (its container's or scheduler's) allow it.
package struct ControlGroup: Equatable {
  /// Numbers of the processors in the cpuset; nil if no cpuset is set.
  package let processors: [Int]?
  /// CPU quota in processors, rounded up; nil without a limit.
  package let quota: Int?
  /// The most bytes of memory; nil without a limit.
  package let memory: Int?

  /// - Parameters:
  ///   - membership: the text of `/proc/self/cgroup`.
  ///   - root: where cgroupfs is mounted.
  package init(membership: String? = Procfs.text(of: "/proc/self/cgroup"), root: String = "/sys/fs/cgroup") {
    let groups = (membership ?? "").split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    }
    /// Directories of the group that a controller governs and of its ancestors, innermost first: the limit of each of
    /// them applies. In a container the path may be the host's; then the root is the container's own group.
    func directories(_ controller: String) -> [String] {
      guard
        let group = groups.first(where: { $0.count == 3 && $0[1].split(separator: ",").contains { $0 == controller } })
          ?? groups.first(where: { $0.count == 3 && $0[1].isEmpty }),
        group[2].utf8.count <= Int(PATH_MAX)
      else { return [root] }
      // cgroup v2 has all controllers in one tree, v1 a tree for each.
      let top = group[1].isEmpty ? root : "\(root)/\(controller)"
      var names = group[2].split(separator: "/").filter { $0 != ".." }
      var directories = [top]
      while !names.isEmpty {
        directories.insert("\(top)/\(names.joined(separator: "/"))", at: directories.count - 1)
        names.removeLast()
      }
      return directories
    }
    processors = directories("cpuset").lazy.flatMap { ["\($0)/cpuset.cpus.effective", "\($0)/cpuset.effective_cpus"] }
      .compactMap { Procfs.list(in: $0) }.first { !$0.isEmpty }
    quota = directories("cpu").compactMap { directory in
      if let line = Procfs.text(of: "\(directory)/cpu.max") { return Self.count(ofQuota: line) }
      guard let quota = Procfs.number(in: "\(directory)/cpu.cfs_quota_us"),
        let period = Procfs.number(in: "\(directory)/cpu.cfs_period_us")
      else { return nil }
      return Self.count(ofQuota: "\(quota) \(period)")
    }.min()
    memory = directories("memory").compactMap { directory in
      Procfs.number(in: "\(directory)/memory.max") ?? Procfs.number(in: "\(directory)/memory.limit_in_bytes")
    }.filter { (1..<Self.noLimit).contains($0) }.min()
  }

  /// What v1 reports without a limit is the largest number, rounded down to whole pages.
  private static let noLimit = 1 << 62

  /// Parses quota and period in microseconds, for example "200000 100000"; "max 100000" and "-1 100000" are no limit.
  static func count(ofQuota line: String) -> Int? {
    let numbers = line.split(whereSeparator: \.isWhitespace).map { Int($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else { return nil }
    return quota / period + (quota % period > 0 ? 1 : 0)
  }
}
