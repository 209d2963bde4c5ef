import Glibc

extension Communicator {
  /// Gives each of several ranks on a machine its own L3 caches or NUMA nodes, where they can be shared out evenly.
  /// Every rank takes part, before it starts threads.
  ///
  /// A launcher that has bound the ranks apart is left its will, and so are they with GSCNN_BIND=none in the environment.
  package func bind(to topology: Topology = Topology()) {
    let mine =
      "\(getenv("GSCNN_BIND").map { String(cString: $0) } == "none" ? "free" : "") "
      + "\(Procfs.list(of: topology.processors.map(\.number))) \(host)"
    // The ranks of a machine must agree; those of different machines have different names in their lines.
    let collectively = allGather(mine).count { $0 == mine }
    guard collectively == localSize, mine.hasPrefix(" "), let share = topology.share(of: localRank, among: localSize) else {
      return
    }
    _ = Processors.confine(to: share)
  }
}
