import COpenMPI
import Glibc

/// The ranks of this job: who they are, and the calls in which all of them take part.
///
/// Collective calls come from one thread at a time and in the same order on every rank; a second thread needs a
/// `duplicate`. An error inside MPI leaves nothing to go back to: it is reported with rank and host, and ends the whole job.
package final class Communicator: @unchecked Sendable {
  // Unchecked for the handle alone, an address that never changes.

  /// The number of this process, from 0.
  package let rank: Int
  /// Processes in the job.
  package let size: Int
  /// The number of this process among those on its machine, from 0.
  package let localRank: Int
  /// Processes of the job on this machine.
  package let localSize: Int
  /// The name of this machine.
  package let host: String

  /// Whether several threads may call MPI at the same time.
  package let allowsThreads: Bool

  /// MPI's handle; nil in a process that runs alone, without MPI.
  let handle: MPI_Comm?

  /// Joins the processes that the launcher started.
  ///
  /// A process started by hand is a job of its own and starts at once, without MPI.
  /// - Throws: `StartError` where the launcher tells of several processes and MPI finds only this one: each of them would
  ///   take itself for rank 0 and write over the others' files.
  package static func initialize() throws -> Communicator { try initialize { getenv($0).map { String(cString: $0) } } }

  static func initialize(_ variable: (String) -> String?) throws -> Communicator {
    guard let launcher = Launcher(variable) else { return Communicator() }
    if launcher.connects {
      try initializeMPI()
      let communicator = Communicator(mpiWorld())
      guard let processes = launcher.processes, processes > communicator.size else { return communicator }
      throw StartError.alone(launcher, found: communicator.size)
    }
    guard let processes = launcher.processes, processes > 1 else { return Communicator() }
    throw StartError.alone(launcher, found: 1)
  }

  /// This process by itself, whoever started it and others.
  package static var single: Communicator { Communicator() }

  private init() {
    handle = nil
    (rank, size, localRank, localSize) = (0, 1, 0, 1)
    allowsThreads = true
    host = Self.hostName
  }

  private init(_ handle: MPI_Comm?) {
    self.handle = handle
    host = Self.hostName
    (rank, size) = Self.place(in: handle)
    var neighbors: MPI_Comm?
    Self.check(MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), mpiNoInfo(), &neighbors), "start")
    (localRank, localSize) = Self.place(in: neighbors)
    Self.check(MPI_Comm_free(&neighbors), "start")
    var level: Int32 = 0
    Self.check(MPI_Query_thread(&level), "start")
    allowsThreads = level >= Int32(MPI_THREAD_MULTIPLE)
  }

  private init(_ handle: MPI_Comm?, like other: Communicator) {
    self.handle = handle
    host = other.host
    (rank, size, localRank, localSize) = (other.rank, other.size, other.localRank, other.localSize)
    allowsThreads = other.allowsThreads
  }

  /// The same ranks once more: what is said here and there does not mix. Every rank takes part.
  package func duplicate() -> Communicator {
    guard size > 1 else { return self }
    var copy: MPI_Comm?
    check(MPI_Comm_dup(handle, &copy), "start")
    return Communicator(copy, like: self)
  }

  /// Takes leave of the other ranks: waits until all of them have come here. Nothing of MPI may be called after it.
  ///
  /// A rank that exits with a status other than 0 makes `mpirun` kill the others; whoever exits so after `finish` kills
  /// nobody that still has work to do.
  package func finalize() {
    guard handle != nil else { return }
    sleepingBarrier()
    check(MPI_Finalize(), "finish")
  }

  private static func initializeMPI() throws {
    var running: Int32 = 0
    MPI_Initialized(&running)
    guard running == 0 else { return }
    var provided: Int32 = 0
    check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_MULTIPLE), &provided), "start")
    check(MPI_Comm_set_errhandler(mpiWorld(), mpiErrorsReturn()), "start")
    guard provided >= Int32(MPI_THREAD_SERIALIZED) else { throw StartError.withoutThreads }
  }

  private static func place(in handle: MPI_Comm?) -> (rank: Int, size: Int) {
    var rank: Int32 = 0
    var size: Int32 = 0
    check(MPI_Comm_rank(handle, &rank), "start")
    check(MPI_Comm_size(handle, &size), "start")
    return (Int(rank), Int(size))
  }

  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
  }
}

/// Why the processes of a job did not find together.
package enum StartError: Error, CustomStringConvertible {
  case alone(launcher: String, processes: Int, found: Int)
  case withoutThreads

  static func alone(_ launcher: Launcher, found: Int) -> StartError {
    .alone(launcher: launcher.name, processes: launcher.processes ?? 0, found: found)
  }

  package var description: String {
    switch self {
    case .alone("srun", let processes, let found):
      "srun started \(processes) processes but MPI finds \(found) of them, so that each would train by itself; use "
        + "srun --mpi=pmix, or mpirun; for a single process, srun --ntasks=1"
    case .alone(let launcher, let processes, let found):
      "\(launcher) started \(processes) processes but MPI finds \(found) of them, so that each would train by itself; "
        + "start the program with the mpirun of the Open MPI that it was built with"
    case .withoutThreads:
      "this MPI library does not allow calls from more than one thread; use an Open MPI with MPI_THREAD_MULTIPLE"
    }
  }
}
