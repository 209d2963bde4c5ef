import Jobs
import System
import Testing

@Suite("Control groups")
struct ControlGroupTests {
  @Test("Limits of a cgroup and of its ancestors apply, in v1 and v2")
  func controlGroups() throws {
    let second = SimulatedMachine()
    try second.write("slice/job/cpu.max", "max 100000")
    try second.write("slice/cpu.max", "350000 100000")
    try second.write("cpu.max", "800000 100000")
    try second.write("slice/cpuset.cpus.effective", "2-5")
    try second.write("cpuset.cpus.effective", "0-7")
    let job = ControlGroup(membership: "0::/slice/job", root: second.root)
    #expect(job.quota == 4 && job.processors == [2, 3, 4, 5])
    let container = ControlGroup(membership: "0::/kubepods/pod1", root: second.root)
    #expect(container.quota == 8 && container.processors == Array(0..<8))

    let first = SimulatedMachine()
    try first.write("cpu/job/cpu.cfs_quota_us", "50000")
    try first.write("cpu/job/cpu.cfs_period_us", "100000")
    try first.write("cpu/cpu.cfs_quota_us", "-1")
    try first.write("cpu/cpu.cfs_period_us", "100000")
    try first.write("cpuset/job/cpuset.effective_cpus", "0,2")
    let membership = "3:cpuset:/job\n1:cpu,cpuacct:/elsewhere\n0::/"
    #expect(
      ControlGroup(membership: membership, root: first.root)
        == ControlGroup(membership: "3:cpuset:/job", root: first.root))
    let old = ControlGroup(membership: "3:cpuset:/job\n1:cpu:/job\n0::/", root: first.root)
    #expect(old.quota == 1 && old.processors == [0, 2])

    try second.write("slice/job/memory.max", "max")
    try second.write("slice/memory.max", "3000000000")
    try second.write("memory.max", "4000000000")
    #expect(ControlGroup(membership: "0::/slice/job", root: second.root).memory == 3_000_000_000)
    try first.write("memory/job/memory.limit_in_bytes", "2000000000")
    try first.write("memory/memory.limit_in_bytes", "9223372036854771712")
    #expect(ControlGroup(membership: "4:memory:/job\n0::/", root: first.root).memory == 2_000_000_000)
    #expect(ControlGroup(membership: "4:memory:/elsewhere\n0::/", root: first.root).memory == nil)

    // What no kernel writes neither overflows nor fills the memory.
    try second.write("cpu.max", "\(Int.max) 2")
    #expect(ControlGroup(membership: "0::/", root: second.root).quota == Int.max / 2 + 1)
    #expect(Procfs.numbers(inList: String(repeating: "0-65535,", count: 9000)).count == 1 << 16)

    let none = ControlGroup(membership: nil, root: "/nowhere")
    #expect(none.quota == nil && none.processors == nil && none.memory == nil)
  }
}
