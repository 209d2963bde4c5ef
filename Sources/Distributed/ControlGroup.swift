/// What the control groups of this process, its container's or its scheduler's, leave it of the machine.
package struct ControlGroup: Equatable {
  /// Numbers of the processors it may use; nil where no group says so.
  package let processors: [Int]?
  /// Processors' worth of time that it may use, rounded up; nil where it is not limited.
  package let quota: Int?

  /// - Parameters:
  ///   - membership: the text of `/proc/self/cgroup`.
  ///   - root: where the groups are mounted.
  package init(
    membership: String? = Procfs.text(of: "/proc/self/cgroup"), root: String = "/sys/fs/cgroup"
  ) {
    let groups = (membership ?? "").split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    }
    /// Folders of the group with a controller and of those that hold it, the innermost first: a limit of any holds. In
    /// a container the path may be the host's; then the root is the container's own.
    func folders(_ controller: String) -> [String] {
      guard
        let group = groups.first(where: { $0.count == 3 && $0[1].split(separator: ",").contains { $0 == controller } })
          ?? groups.first(where: { $0.count == 3 && $0[1].isEmpty })
      else { return [root] }
      // The second version of control groups has all controllers in one tree.
      let top = group[1].isEmpty ? root : "\(root)/\(controller)"
      var names = group[2].split(separator: "/").filter { $0 != ".." }
      var folders = [top]
      while !names.isEmpty {
        folders.insert("\(top)/\(names.joined(separator: "/"))", at: folders.count - 1)
        names.removeLast()
      }
      return folders
    }
    processors = folders("cpuset").lazy.flatMap { ["\($0)/cpuset.cpus.effective", "\($0)/cpuset.effective_cpus"] }
      .compactMap { Procfs.list(in: $0) }.first { !$0.isEmpty }
    quota = folders("cpu").compactMap { folder in
      if let line = Procfs.text(of: "\(folder)/cpu.max") { return Self.count(ofQuota: line) }
      guard let quota = Procfs.number(in: "\(folder)/cpu.cfs_quota_us"),
        let period = Procfs.number(in: "\(folder)/cpu.cfs_period_us")
      else { return nil }
      return Self.count(ofQuota: "\(quota) \(period)")
    }.min()
  }

  /// Reads "microseconds per period", for example "200000 100000"; "max 100000" and "-1 100000" are no limit.
  static func count(ofQuota line: String) -> Int? {
    let numbers = line.split(whereSeparator: \.isWhitespace).map { Int($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else { return nil }
    return max(1, (quota + period - 1) / period)
  }
}
