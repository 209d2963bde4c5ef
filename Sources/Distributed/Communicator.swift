import COpenMPI
import Glibc
import System

/// The MPI communicator of this job: its ranks, and the collective operations on them.
///
/// Collective operations are called by one thread at a time and in the same order on every rank; a second thread needs
/// a `duplicate`. MPI cannot recover from an error: it is reported with rank and host, and ends the whole job.
package final class Communicator: @unchecked Sendable {
  // Unchecked for `handle` alone, a pointer that never changes.

  /// The rank of this process, from 0.
  package let rank: Int
  /// Number of ranks in the job.
  package let size: Int
  /// The rank of this process among those of the job on its machine, from 0.
  package let localRank: Int
  /// Number of ranks of the job on this machine.
  package let localSize: Int
  /// Host name of this machine.
  package let host: String

  /// Whether several threads may call MPI at the same time (MPI_THREAD_MULTIPLE).
  package let allowsThreads: Bool

  /// MPI's handle; nil in a single process without MPI.
  let handle: MPI_Comm?

  /// MPI_Init, and the communicator of all ranks. A process that no launcher started is a job of its own and does not
  /// initialize MPI.
  ///
  /// - Throws: `StartError` if the launcher started several processes and MPI finds only this one: each of them would
  ///   be rank 0 and overwrite the others' files.
  package static func initialize() throws -> Communicator { try initialize { getenv($0).map { String(cString: $0) } } }

  static func initialize(_ variable: (String) -> String?) throws -> Communicator {
    Activity.followThisThread()
    guard let launcher = Launcher(variable) else { return Communicator() }
    if launcher.connects {
      try initializeMPI()
      let communicator = world()
      if communicator.rank > 0 { ProgressLine.shared.hide() }
      if let processes = launcher.processes, processes > communicator.size {
        throw StartError.notConnected(launcher, found: communicator.size)
      }
      if communicator.size > 1, JobMonitor.current == nil { JobMonitor.start(communicator) }
      return communicator
    }
    guard let processes = launcher.processes, processes > 1 else { return Communicator() }
    throw StartError.notConnected(launcher, found: 1)
  }

  /// This process alone, whether or not there are others.
  package static var single: Communicator { Communicator() }

  private init() {
    handle = nil
    (rank, size, localRank, localSize) = (0, 1, 0, 1)
    allowsThreads = true
    host = Self.hostName
  }

  /// - Parameters:
  ///   - localRank: the rank among all ranks of the job on this machine.
  ///   - localSize: the number of all ranks of the job on this machine.
  private init(_ handle: MPI_Comm?, localRank: Int, localSize: Int) {
    self.handle = handle
    host = Self.hostName
    (rank, size) = Self.rankAndSize(of: handle)
    (self.localRank, self.localSize) = (localRank, localSize)
    var level: Int32 = 0
    Self.check(MPI_Query_thread(&level), "initialize")
    allowsThreads = level >= Int32(MPI_THREAD_MULTIPLE)
  }

  private init(_ handle: MPI_Comm?, like other: Communicator) {
    self.handle = handle
    host = other.host
    (rank, size, localRank, localSize) = (other.rank, other.size, other.localRank, other.localSize)
    allowsThreads = other.allowsThreads
  }

  /// Adjusts how the ranks of the job watch each other.
  ///
  /// - Parameters:
  ///   - stallTimeout: seconds after which a rank that does not get on ends the job with status 75; nil: never.
  ///   - remedy: what to do after a rank has died or stalled.
  package func watch(stallTimeout: Double?, remedy: String) {
    JobMonitor.current?.settings.withLock { $0 = JobMonitor.Settings(stallTimeout: stallTimeout, remedy: remedy) }
  }

  /// MPI_Comm_dup: the same ranks, with messages of their own. Collective.
  package func duplicate() -> Communicator {
    guard size > 1 else { return self }
    var copy: MPI_Comm?
    check(MPI_Comm_dup(handle, &copy), "initialize")
    return Communicator(copy, like: self)
  }

  /// MPI_Comm_split: the ranks that give the same color, in the order of this communicator, with messages of their own.
  /// `localRank` and `localSize` stay those of the job. Collective.
  ///
  /// - Parameter color: 0 or more.
  package func split(color: Int) -> Communicator {
    guard size > 1 else { return self }
    var part: MPI_Comm?
    check(MPI_Comm_split(handle, Int32(color), Int32(rank), &part), "initialize")
    return Communicator(part, localRank: localRank, localSize: localSize)
  }

  /// A barrier, then MPI_Finalize. Collective; MPI must not be called afterwards.
  ///
  /// A rank that exits with a status other than 0 makes `mpirun` kill the others; after the barrier none of them has
  /// work left.
  package func finalize() {
    guard handle != nil else { return }
    Activity.enter(.finalize)
    sleepingBarrier()
    JobMonitor.current?.finish()
    check(MPI_Finalize(), "finalize")
  }

  private static func initializeMPI() throws {
    var running: Int32 = 0
    MPI_Initialized(&running)
    guard running == 0 else { return }
    var provided: Int32 = 0
    check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_MULTIPLE), &provided), "initialize")
    check(MPI_Comm_set_errhandler(mpiWorld(), mpiErrorsReturn()), "initialize")
    guard provided >= Int32(MPI_THREAD_SERIALIZED) else { throw StartError.withoutThreads }
  }

  /// MPI_COMM_WORLD. Collective.
  private static func world() -> Communicator {
    var neighbors = splitByMachine(mpiWorld(), "initialize")
    let (localRank, localSize) = rankAndSize(of: neighbors)
    check(MPI_Comm_free(&neighbors), "initialize")
    return Communicator(mpiWorld(), localRank: localRank, localSize: localSize)
  }

  /// MPI_Comm_split_type: a communicator of the ranks on this machine, in the same order. Collective; the caller frees
  /// it.
  static func splitByMachine(_ handle: MPI_Comm?, _ doing: StaticString) -> MPI_Comm? {
    var neighbors: MPI_Comm?
    let rank = Int32(rankAndSize(of: handle).rank)
    check(MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), rank, mpiNoInfo(), &neighbors), doing)
    return neighbors
  }

  private static func rankAndSize(of handle: MPI_Comm?) -> (rank: Int, size: Int) {
    var rank: Int32 = 0
    var size: Int32 = 0
    check(MPI_Comm_rank(handle, &rank), "initialize")
    check(MPI_Comm_size(handle, &size), "initialize")
    return (Int(rank), Int(size))
  }

  /// Name of this machine.
  package static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
  }
}

/// Why the processes of a job could not be connected.
package enum StartError: Error, CustomStringConvertible {
  case notConnected(launcher: String, processes: Int, found: Int)
  case withoutThreads

  static func notConnected(_ launcher: Launcher, found: Int) -> StartError {
    .notConnected(launcher: launcher.name, processes: launcher.processes ?? 0, found: found)
  }

  package var description: String {
    switch self {
    case .notConnected("srun", let processes, let found):
      "srun started \(processes) processes but MPI finds \(found) of them; each would train its own model; use "
        + "srun --mpi=pmix, or mpirun; for a single process, srun --ntasks=1"
    case .notConnected(let launcher, let processes, let found):
      "\(launcher) started \(processes) processes but MPI finds \(found) of them; each would train its own model; "
        + "start the program with the mpirun of the Open MPI that it was built with"
    case .withoutThreads:
      "this MPI library does not allow calls from more than one thread; use an Open MPI with MPI_THREAD_MULTIPLE"
    }
  }
}
