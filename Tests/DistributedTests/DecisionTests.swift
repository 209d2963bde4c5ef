import Distributed
import Testing

@Suite("Decisions of a single rank")
struct DecisionTests {
  @Test("The launcher is recognized by its environment variables")
  func launcher() {
    func launcher(_ variables: [String: String]) -> Launcher? { Launcher { variables[$0] } }
    #expect(launcher([:]) == nil)
    #expect(launcher(["SLURM_NTASKS": "4"]) == nil, "an allocation of salloc, in which nothing was launched")
    let mpirun = launcher(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"])
    #expect(mpirun?.name == "mpirun" && mpirun?.processes == 4 && mpirun?.rank == 1 && mpirun?.connects == true)
    let srun = launcher(["SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "PMIX_RANK": "1"])
    #expect(srun?.name == "srun" && srun?.processes == 2 && srun?.rank == 1 && srun?.connects == true)
    #expect(launcher(["SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == nil, "a batch script")
    let unconnected = launcher(["SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "1"])
    #expect(unconnected?.processes == 8 && unconnected?.connects == false)
    let other = launcher(["PMI_SIZE": "3", "PMI_RANK": "2"])
    #expect(other?.processes == 3 && other?.rank == 2 && other?.connects == true)
    let inside = launcher(["OMPI_COMM_WORLD_SIZE": "2", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"])
    #expect(inside?.name == "mpirun" && inside?.processes == 2, "mpirun started by a batch script")
  }

  @Test("The replicas of the minority are divergent; without a majority rank 0's is the correct one")
  func divergentRanks() {
    #expect(Consensus.divergentRanks([5, 5, 5]) == [])
    #expect(Consensus.divergentRanks([5, 5, 6]) == [2])
    #expect(Consensus.divergentRanks([6, 5, 5]) == [0])
    #expect(Consensus.divergentRanks([6, 5]) == [1])
    #expect(Consensus.divergentRanks([6, 5, 5, 6]) == [1, 2])
    #expect(Consensus.divergentRanks([1, 2, 3]) == [1, 2])
  }

  @Test("Buckets are cut from the end, hold whole parameters and cover all; the first and last are small")
  func buckets() {
    let capacity = GradientBuckets.Capacity(least: 10, most: 100)
    let extents = [0..<10, 16..<20, 32..<192, 204..<210, 220..<225]
    let buckets = GradientBuckets.cut(extents, capacity)
    #expect(buckets.map(\.parameters) == [3..<5, 2..<3, 0..<2])
    #expect(buckets.map(\.floats) == [204..<225, 32..<192, 0..<20])
    #expect(GradientBuckets.cut([0..<3], capacity).map(\.floats) == [0..<3])
    #expect(GradientBuckets.cut([], capacity) == [])

    let many = GradientBuckets.cut((0..<100).map { 10 * $0..<10 * $0 + 9 }, capacity)
    #expect(many.flatMap { $0.parameters.reversed() } == Array((0..<100).reversed()))
    // Towards the end each holds half of the rest.
    #expect(many.map(\.floats.count) == [19] + [Int](repeating: 109, count: 8) + [49, 29, 19])
  }
}
