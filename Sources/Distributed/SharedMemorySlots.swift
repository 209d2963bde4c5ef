import COpenMPI
import Glibc
import Synchronization

/// Places in memory that the ranks of a machine share, each filled by whoever comes first.
///
/// The memory is an MPI window; a rank that is alone on its machine keeps its own. Nobody waits for anybody: a place is
/// empty, claimed by one rank, or published and never changed again. Should a rank end while it holds a claim, the
/// place stays claimed, and the others do without it.
package final class SharedMemorySlots: @unchecked Sendable {
  // Unchecked for the pointers: who holds a claim alone writes, who sees it published only reads.

  private enum State {
    static let empty: UInt32 = 0
    static let claimed: UInt32 = 1
    static let published: UInt32 = 2
  }

  private enum Origin {
    case window(MPI_Win?, MPI_Comm?)
    case own(bytes: Int)
  }

  package let count: Int
  /// Bytes of each place, which begins at a multiple of 64.
  package let capacity: Int

  private let origin: Origin
  private let states: UnsafeMutablePointer<Atomic<UInt32>>
  private let slots: UnsafeMutableRawPointer
  private var isOpen = true

  /// Bytes that so many places take on a machine.
  package static func bytes(count: Int, capacity: Int) -> Int {
    rounded(4 * count, to: 4096) + count * rounded(capacity, to: 64)
  }

  /// Makes empty places. Every rank takes part, with the same numbers.
  ///
  /// - Throws: `SharedMemorySlotsError` on a machine where the memory cannot be had; the other machines know nothing of it.
  package init(count: Int, capacity: Int, communicator: Communicator) throws {
    self.count = count
    self.capacity = Self.rounded(capacity, to: 64)
    let bytes = Self.bytes(count: count, capacity: capacity)
    let start: UnsafeMutableRawPointer
    (start, origin) =
      communicator.localSize > 1 ? try Self.window(bytes, communicator) : try Self.own(bytes, communicator)
    states = start.bindMemory(to: Atomic<UInt32>.self, capacity: count)
    slots = start + Self.rounded(4 * count, to: 4096)
    if communicator.localRank == 0 {
      for slot in 0..<count { (states + slot).initialize(to: Atomic(State.empty)) }
    }
    communicator.sleepingBarrier()
  }

  /// Gives the memory back. Every rank takes part; nobody uses a place afterwards.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    switch origin {
    case .own(let bytes): munmap(UnsafeMutableRawPointer(states), bytes)
    case .window(var window, var neighbors):
      Communicator.check(MPI_Win_unlock_all(window), "give back shared memory")
      Communicator.check(MPI_Win_free(&window), "give back shared memory")
      Communicator.check(MPI_Comm_free(&neighbors), "give back shared memory")
    }
  }

  // MARK: - Places

  /// What is in a place that was published.
  package func contents(of slot: Int) -> UnsafeRawPointer? {
    guard slot < count, states[slot].load(ordering: .acquiring) == State.published else { return nil }
    return UnsafeRawPointer(slots + slot * capacity)
  }

  /// An empty place, for the caller alone.
  ///
  /// - Returns: nil where it is claimed or published, or where there is none of that number.
  package func claim(_ slot: Int) -> UnsafeMutableRawPointer? {
    guard slot < count else { return nil }
    let (isMine, _) = states[slot].compareExchange(
      expected: State.empty, desired: State.claimed, ordering: .acquiringAndReleasing)
    return isMine ? slots + slot * capacity : nil
  }

  /// Shows every rank what the caller wrote into the place that it claimed.
  package func publish(_ slot: Int) { states[slot].store(State.published, ordering: .releasing) }

  /// Empties the place that the caller claimed.
  package func release(_ slot: Int) { states[slot].store(State.empty, ordering: .releasing) }

  // MARK: - Memory

  private static func rounded(_ bytes: Int, to unit: Int) -> Int { (bytes + unit - 1) / unit * unit }

  private static func own(
    _ bytes: Int, _ communicator: Communicator
  ) throws -> (UnsafeMutableRawPointer, Origin) {
    if communicator.size > 1 {
      // Ranks of other machines find their neighbors in a call that takes all.
      var neighbors = try neighbors(communicator)
      Communicator.check(MPI_Comm_free(&neighbors), "share memory")
    }
    let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let start, start != MAP_FAILED else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: String(cString: strerror(errno)))
    }
    return (start, .own(bytes: bytes))
  }

  private static func window(
    _ bytes: Int, _ communicator: Communicator
  ) throws -> (UnsafeMutableRawPointer, Origin) {
    let neighbors = try neighbors(communicator)
    var window: MPI_Win?
    var start: UnsafeMutableRawPointer?
    let size = communicator.localRank == 0 ? bytes : 0
    let code = MPI_Win_allocate_shared(size, 1, mpiNoInfo(), neighbors, &start, &window)
    guard code == MPI_SUCCESS else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: Communicator.text(of: code))
    }
    var (found, unit) = (0 as MPI_Aint, 0 as Int32)
    Communicator.check(MPI_Win_shared_query(window, 0, &found, &unit, &start), "share memory")
    // Loads and stores are used alone, with the order that atomic ones give.
    Communicator.check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window), "share memory")
    guard let start else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: "MPI gave no memory")
    }
    return (start, .window(window, neighbors))
  }

  private static func neighbors(_ communicator: Communicator) throws -> MPI_Comm? {
    var neighbors: MPI_Comm?
    let code = MPI_Comm_split_type(
      communicator.handle, Int32(MPI_COMM_TYPE_SHARED), Int32(communicator.rank), mpiNoInfo(), &neighbors)
    Communicator.check(code, "share memory")
    return neighbors
  }
}

/// Memory that a machine's ranks were to share, and could not.
package struct SharedMemorySlotsError: Error, CustomStringConvertible {
  package let host: String
  package let bytes: Int
  package let cause: String

  package var description: String {
    "\(Double(bytes) / 1e9) GB of shared memory cannot be allocated on \(host): \(cause)"
  }
}
