/// How the processors of this machine hang together: cores, the caches that they share, and their memory.
package struct Topology: Equatable {
  package struct Processor: Equatable {
    package let number: Int
    /// The lowest number of a processor of the same core.
    package let core: Int
    /// The lowest number of a processor behind the same level-3 cache; nil where the system tells of none.
    package let cache: Int?
    /// The NUMA node, whose memory is nearest.
    package let node: Int

    package init(number: Int, core: Int, cache: Int?, node: Int) {
      self.number = number
      self.core = core
      self.cache = cache
      self.node = node
    }
  }

  /// What the processors of a group have in common.
  package enum Kind: String {
    case cache = "L3 cache"
    case node = "NUMA node"
    case machine
  }

  /// Ascending by number.
  package let processors: [Processor]

  package init(processors: [Processor]) { self.processors = processors }

  /// - Parameter root: the folder in which the kernel describes the machine.
  package init(root: String = "/sys/devices/system", available: [Int] = Processors.available()) {
    var nodes: [Int: Int] = [:]
    for node in Procfs.list(in: "\(root)/node/online") ?? [] {
      for processor in Procfs.list(in: "\(root)/node/node\(node)/cpulist") ?? [] { nodes[processor] = node }
    }
    processors = available.map { number in
      let folder = "\(root)/cpu/cpu\(number)"
      let siblings = Procfs.list(in: "\(folder)/topology/thread_siblings_list")
      let cache = (0..<8).first { Procfs.number(in: "\(folder)/cache/index\($0)/level") == 3 }
        .flatMap { Procfs.list(in: "\(folder)/cache/index\($0)/shared_cpu_list")?.min() }
      return Processor(number: number, core: siblings?.min() ?? number, cache: cache, node: nodes[number] ?? 0)
    }
  }

  /// The cores of the processors, each once, ascending.
  package var cores: [Int] { Set(processors.map(\.core)).sorted() }

  /// The cores that processors belong to, each once, ascending.
  package func cores(of numbers: some Sequence<Int>) -> [Int] {
    let cores = Dictionary(uniqueKeysWithValues: processors.map { ($0.number, $0.core) })
    return Set(numbers.map { cores[$0] ?? $0 }).sorted()
  }

  /// Processors that a rank should not cross without need, by node and cache: the smallest groups that are alike in
  /// their number of cores and large enough that the memory of a rank for each pays.
  package var groups: (kind: Kind, [[Int]]) {
    func groups(by key: (Processor) -> [Int]) -> [[Processor]] {
      Dictionary(grouping: processors, by: key).sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    }
    for (kind, least, candidate) in [
      (Kind.cache, Self.leastCores, groups { [$0.node, $0.cache ?? -1] }), (.node, 1, groups { [$0.node] }),
    ] {
      let sizes = Set(candidate.map { Set($0.map(\.core)).count })
      guard candidate.count > 1, sizes.count == 1, sizes.allSatisfy({ $0 >= least }) else { continue }
      return (kind, candidate.map { $0.map(\.number) })
    }
    return (.machine, [processors.map(\.number)])
  }

  /// Virtual machines may show a level-3 cache for every core.
  private static let leastCores = 4

  /// The ranks to start on this machine: one for each group, as far as every rank gets the same number of groups and of
  /// images.
  ///
  /// - Parameters:
  ///   - images: of a step, or nil where any number of ranks has work.
  ///   - quota: processors' worth of time that there is, where it is limited. Less than the cores is shared best by the
  ///     threads of one rank.
  package func ranks(images: Int?, quota: Int? = nil) -> Int {
    let count = groups.1.count
    if let quota, quota < cores.count { return 1 }
    return images.map { Self.commonDivisor(count, $0) } ?? count
  }

  /// The processors of one of `count` ranks on this machine, so that none crosses the border of a group that it need
  /// not cross; nil where they had better stay free to move.
  package func share(of rank: Int, among count: Int) -> [Int]? {
    let groups = groups.1
    guard count > 1, groups.count > 1 else { return nil }
    if groups.count % count == 0 {
      let each = groups.count / count
      return groups[rank * each..<(rank + 1) * each].joined().sorted()
    }
    return count % groups.count == 0 ? groups[rank / (count / groups.count)] : nil
  }

  private static func commonDivisor(_ first: Int, _ second: Int) -> Int {
    second == 0 ? first : commonDivisor(second, first % second)
  }
}
