/// The program that started this process as one of several, recognized by its environment variables.
package struct Launcher: Equatable {
  /// Its command, for messages.
  package let name: String
  /// Number of processes that it started, if known.
  package let processes: Int?
  /// The rank of this process, if known.
  package let rank: Int?
  /// Whether it provides what MPI needs to connect the processes (PMI or PMIx).
  package let connects: Bool

  /// - Parameter variable: looks up an environment variable.
  /// - Returns: nil if no launcher started the process.
  package init?(_ variable: (String) -> String?) {
    func number(_ names: String...) -> Int? { names.compactMap { variable($0).flatMap { Int($0) } }.first }
    let connects = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_SIZE", "PMI_FD"]
      .contains { variable($0) != nil }
    if let processes = number("OMPI_COMM_WORLD_SIZE") {
      self.init("mpirun", processes, number("OMPI_COMM_WORLD_RANK"), connects)
    } else if let rank = number("SLURM_PROCID"), let processes = number("SLURM_STEP_NUM_TASKS") {
      // A batch script also has a rank, 0, and the number of tasks of its allocation, but was not started by srun.
      self.init("srun", processes, rank, connects)
    } else if connects {
      self.init("the launcher", number("PMI_SIZE"), number("PMI_RANK", "PMIX_RANK"), true)
    } else {
      return nil
    }
  }

  private init(_ name: String, _ processes: Int?, _ rank: Int?, _ connects: Bool) {
    self.name = name
    self.processes = processes
    self.rank = rank
    self.connects = connects
  }
}
