import Jobs
import Machine
import Testing

@Suite("Placement of ranks")
struct LayoutTests {
  // MARK: - Topology

  @Test("One rank for each L3 cache of enough cores, reduced so that the images divide evenly")
  func caches() throws {
    let machine = try SimulatedMachine(caches: [0..<4, 4..<8, 8..<12, 12..<16], nodes: [0..<8, 8..<16])
    let topology = Topology(root: machine.root, available: Array(0..<16))
    #expect(topology.groups.kind == .cache)
    #expect(topology.groups.processors == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]])
    #expect([nil, 1, 2, 4, 6, 8, 9].map { topology.ranks(images: $0) } == [4, 1, 2, 4, 2, 4, 1])
    #expect(topology.ranks(images: 4, quota: 6) == 1, "threads of one rank use a quota best")
    #expect(topology.ranks(images: 4, quota: 16) == 4)

    #expect(topology.processors(ofRank: 0, among: 1) == nil)
    #expect((0..<2).map { topology.processors(ofRank: $0, among: 2) } == [Array(0..<8), Array(8..<16)])
    #expect(topology.processors(ofRank: 3, among: 4) == Array(12..<16))
    #expect(
      (0..<8).map { topology.processors(ofRank: $0, among: 8) ?? [] }
        == (0..<8).map { Array($0 / 2 * 4..<$0 / 2 * 4 + 4) })
    #expect(topology.processors(ofRank: 0, among: 3) == nil, "four caches do not divide among three ranks")
  }

  @Test("Without large L3 caches one rank for each NUMA node; a laptop gets one rank")
  func nodes() throws {
    let virtual = try SimulatedMachine(caches: (0..<8).map { $0..<$0 + 1 }, nodes: [0..<4, 4..<8])
    let topology = Topology(root: virtual.root, available: Array(0..<8))
    #expect(topology.groups.kind == .node)
    #expect(topology.groups.processors == [[0, 1, 2, 3], [4, 5, 6, 7]])
    let laptop = try SimulatedMachine(caches: [0..<2], nodes: [0..<2])
    #expect(Topology(root: laptop.root, available: [0, 1]).groups.kind == .machine)
    #expect(Topology(root: laptop.root, available: [0, 1]).ranks(images: 4) == 1)
    #expect(Topology(root: "/nowhere", available: [0, 1, 2]).ranks(images: nil) == 1)
  }

  @Test("Groups that the affinity mask makes unequal are not used")
  func mask() throws {
    let machine = try SimulatedMachine(caches: [0..<8, 8..<16], nodes: [0..<16])
    #expect(Topology(root: machine.root, available: Array(0..<16)).ranks(images: 2) == 2)
    #expect(Topology(root: machine.root, available: Array(0..<12)).ranks(images: 2) == 1)
    #expect(Topology(root: machine.root, available: Array(8..<16)).ranks(images: 2) == 1)
  }

  @Test("Two hardware threads of a core count as one core")
  func siblings() throws {
    let machine = try SimulatedMachine(
      caches: [0..<4, 4..<8], nodes: [0..<8], siblings: [[0, 4], [1, 5], [2, 6], [3, 7]])
    let topology = Topology(root: machine.root, available: Array(0..<8))
    #expect(topology.cores == [0, 1, 2, 3])
    #expect(Topology(root: machine.root, available: [1, 5, 6]).cores == [1, 2])
  }

  // MARK: - Memory

  @Test("The available memory of the machine is known")
  func memory() throws {
    #expect(try #require(MachineMemory.available()) > 1 << 20)
  }

  // MARK: - Layout

  private func layout(
    _ ranks: [(host: String, cores: [Int], threads: Int)], of coresOfHost: Int, quota: Int? = nil
  ) -> ProcessLayout {
    ProcessLayout(
      ranks.map {
        ProcessLayout.Allocation(
          host: $0.host, cores: $0.cores, threads: $0.threads, coresOfHost: coresOfHost, quota: quota)
      })
  }

  @Test("Cores that several ranks may use are divided among them; pinned ranks keep theirs")
  func coresPerRank() {
    let all = Array(0..<10)
    let free = layout([("a", all, 0), ("a", all, 0), ("a", all, 0), ("b", all, 0)], of: 10)
    #expect((0..<4).map { free.coresPerRank($0) } == [3, 3, 3, 10])
    let six = layout(.init(repeating: ("a", Array(0..<6), 0), count: 6), of: 6)
    #expect((0..<6).map { six.coresPerRank($0) } == [1, 1, 1, 1, 1, 1])
    let bound = layout([("a", [0, 1, 2, 3], 0), ("a", [4, 5, 6, 7], 0)], of: 8)
    #expect((0..<2).map { bound.coresPerRank($0) } == [4, 4])
    let crowded = layout([("a", [0], 0), ("a", [0], 0)], of: 1)
    #expect(crowded.coresPerRank(0) == 0)
  }

  @Test("The layout has one line for each machine, and one for equal machines")
  func descriptions() {
    let two = layout([("a", [0, 1, 2, 3], 2), ("a", [0, 1, 2, 3], 2), ("b", [0, 1, 2, 3], 4)], of: 4)
    #expect(two.description == "3 ranks on 2 machines, 2 to 4 threads each")
    #expect(two.hosts == ["a: ranks 0-1, 2 threads each, cores 0-3 of 4", "b: rank 2, 4 threads, cores 0-3 of 4"])
    let many = layout((1...128).flatMap { [("n\($0)", [0, 1], 2), ("n\($0)", [2, 3], 2)] }, of: 4)
    #expect(many.hosts == ["n1 … n128 (128 machines): ranks 0-255, 2 threads each, cores 0-1 and 2-3 of 4"])
    let container = layout([("a", [0, 1], 1)], of: 2, quota: 1)
    #expect(container.hosts == ["a: rank 0, 1 thread, cores 0-1 of 2, a quota of 1"])
  }

  @Test("Oversubscribed and idle cores give warnings with a remedy")
  func warnings() {
    let four = [0, 1, 2, 3]
    #expect(layout([("a", four, 2), ("a", four, 2), ("b", four, 4)], of: 4).warnings == [])
    #expect(layout([("a", [0, 1], 2), ("a", [2, 3], 2)], of: 4).warnings == [])

    let crowd = layout([("a", [0, 1], 2), ("a", [0, 1], 2), ("b", [0, 1], 2)], of: 2)
    #expect(crowd.warnings == ["a: 4 threads compete for 2 cores; use fewer threads or start fewer ranks"])
    let bound = layout([("a", [0], 2), ("a", [1, 2, 3], 2)], of: 4)
    #expect(
      bound.warnings == [
        "a: 2 threads of a rank compete for the 1 core that it is bound to; pass --bind-to none to mpirun"
      ])
    let together = layout([("a", [0, 1], 2), ("a", [0, 1], 2), ("a", [4, 5, 6, 7], 4)], of: 8)
    #expect(
      together.warnings == ["a: 2 ranks with 4 threads are bound to the same 2 cores; pass --bind-to none to mpirun"])

    let idle = layout([("a", four, 1), ("a", four, 2)], of: 4)
    #expect(idle.warnings == ["a: 1 core of 4 is idle; use more threads or start more ranks"])
    let narrow = layout([("a", [0], 1), ("b", [0], 1), ("c", four, 4)], of: 4)
    #expect(
      narrow.warnings == [
        "a and 1 more: 3 cores of 4 are idle; "
          + "the ranks are bound to 1 core: pass --bind-to none to mpirun, or start more ranks"
      ])
    #expect(layout([("a", four, 2)], of: 4, quota: 2).warnings == [])
    #expect(layout([("a", four, 4)], of: 4, quota: 2).warnings.first?.hasPrefix("a: 4 threads compete for 2") == true)
  }
}
