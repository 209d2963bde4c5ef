import Glibc
import Machine
import System

/// Where the ranks of the job run. All of these calls are collective.
extension Communicator {
  /// Pins each of several ranks on a machine to its own L3 caches or NUMA nodes, where these divide evenly among the
  /// ranks. To be called before the rank starts threads, which inherit the affinity.
  ///
  /// Does nothing if the launcher already gave the ranks of the machine distinct affinities, or if GSCNN_BIND=none.
  package func setAffinity(on topology: Topology = Topology()) {
    struct Candidate: Codable, Equatable {
      let host: String
      let processors: [Int]
      let isAllowed: Bool
    }
    let mayBind = getenv("GSCNN_BIND").map { String(cString: $0) } != "none"
    let own = Candidate(host: host, processors: topology.processors.map(\.number), isAllowed: mayBind)
    // Either all ranks of a machine are pinned or none.
    let agreeing = allGather(own).count { $0 == own }
    guard agreeing == localSize, mayBind, let processors = topology.processors(ofRank: localRank, among: localSize)
    else { return }
    _ = Affinity.set(processors)
  }

  /// The layout of the whole job, on every rank.
  ///
  /// - Parameter threads: of this rank; 0 if not yet decided.
  package func layout(threads: Int = 0) -> ProcessLayout {
    ProcessLayout(allGather(ProcessLayout.Allocation.current(host: host, threads: threads)))
  }

  /// The threads that this rank should run.
  package func defaultThreads() -> Int { layout().defaultThreads(ofRank: rank) }
}
