import System

/// The topology of this machine: which processors share a core, a level-3 cache and a NUMA node.
package struct Topology: Equatable {
  package struct Processor: Equatable {
    package let number: Int
    /// The lowest number of a processor of the same core.
    package let core: Int
    /// The lowest number of a processor that shares the level-3 cache; nil if the kernel reports none.
    package let cache: Int?
    /// The NUMA node.
    package let node: Int

    package init(number: Int, core: Int, cache: Int?, node: Int) {
      self.number = number
      self.core = core
      self.cache = cache
      self.node = node
    }
  }

  /// What the processors of a group share.
  package enum Kind: String {
    case cache = "L3 cache"
    case node = "NUMA node"
    case machine
  }

  /// Ascending by number.
  package let processors: [Processor]

  package init(processors: [Processor]) { self.processors = processors }

  /// - Parameters:
  ///   - root: where sysfs describes the machine.
  ///   - available: the processors to look at.
  package init(root: String = "/sys/devices/system", available: [Int] = Affinity.current) {
    var nodes: [Int: Int] = [:]
    for node in Procfs.list(in: "\(root)/node/online") ?? [] {
      for processor in Procfs.list(in: "\(root)/node/node\(node)/cpulist") ?? [] { nodes[processor] = node }
    }
    processors = available.map { number in
      let directory = "\(root)/cpu/cpu\(number)"
      let siblings = Procfs.list(in: "\(directory)/topology/thread_siblings_list")
      let cache = (0..<8).first { Procfs.number(in: "\(directory)/cache/index\($0)/level") == 3 }
        .flatMap { Procfs.list(in: "\(directory)/cache/index\($0)/shared_cpu_list")?.min() }
      return Processor(number: number, core: siblings?.min() ?? number, cache: cache, node: nodes[number] ?? 0)
    }
  }

  /// The cores of the processors, each once, ascending.
  package var cores: [Int] { Set(processors.map(\.core)).sorted() }

  /// The groups of processors that a rank should stay inside: L3 caches, else NUMA nodes, else the whole machine.
  ///
  /// A kind of group is used if there are several of them, all with the same number of cores; caches only if they have
  /// enough cores to be worth a rank's memory.
  package var groups: (kind: Kind, processors: [[Int]]) {
    func groups(by key: (Processor) -> [Int]) -> [[Processor]] {
      Dictionary(grouping: processors, by: key).sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    }
    for (kind, least, candidate) in [
      (Kind.cache, Self.leastCoresPerCache, groups { [$0.node, $0.cache ?? -1] }), (.node, 1, groups { [$0.node] }),
    ] {
      let sizes = Set(candidate.map { Set($0.map(\.core)).count })
      guard candidate.count > 1, sizes.count == 1, sizes.allSatisfy({ $0 >= least }) else { continue }
      return (kind, candidate.map { $0.map(\.number) })
    }
    return (.machine, [processors.map(\.number)])
  }

  /// Virtual machines may report a level-3 cache for every core.
  private static let leastCoresPerCache = 4

  /// The ranks to start on this machine: one for each group, reduced so that every rank gets the same number of groups
  /// and of images.
  ///
  /// - Parameters:
  ///   - images: of a step; nil if any number of ranks has work.
  ///   - quota: CPU quota in processors. If it is below the number of cores, threads of one rank use it best.
  package func ranks(images: Int?, quota: Int? = nil) -> Int {
    let count = groups.processors.count
    if let quota, quota < cores.count { return 1 }
    return images.map { Self.greatestCommonDivisor(count, $0) } ?? count
  }

  /// The processors to pin one of `count` ranks on this machine to: whole groups, or one group that several ranks
  /// share.
  ///
  /// - Returns: nil if the ranks should not be pinned: there is only one group, or neither number divides the other.
  package func processors(ofRank rank: Int, among count: Int) -> [Int]? {
    let groups = groups.processors
    guard count > 1, groups.count > 1 else { return nil }
    if groups.count % count == 0 {
      let each = groups.count / count
      return groups[rank * each..<(rank + 1) * each].joined().sorted()
    }
    return count % groups.count == 0 ? groups[rank / (count / groups.count)] : nil
  }

  private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
    second == 0 ? first : greatestCommonDivisor(second, first % second)
  }
}
