import COpenMPI
import Glibc
import Synchronization

/// Slots of equal size in memory that the ranks of a machine share, each filled by the first rank that claims it.
///
/// The memory is a shared MPI window; a rank that is alone on its machine uses private memory. No rank waits for
/// another: a slot is empty, claimed by one rank, or published and immutable. If a rank ends while it holds a claim,
/// the slot stays claimed, and the other ranks do without it.
package final class SharedMemorySlots: @unchecked Sendable {
  // Unchecked for the pointers: only the rank with the claim writes a slot, and published slots are only read.

  private enum State {
    static let empty: UInt32 = 0
    static let claimed: UInt32 = 1
    static let published: UInt32 = 2
  }

  /// Memory, and what frees it.
  private enum Memory {
    case window(MPI_Win?, MPI_Comm?)
    case mapping(bytes: Int)
  }

  package let count: Int
  /// Bytes of each slot, a multiple of 64.
  package let capacity: Int

  private let memory: Memory
  private let states: UnsafeMutablePointer<Atomic<UInt32>>
  private let slots: UnsafeMutableRawPointer
  private var isOpen = true

  /// Bytes that `count` slots take on a machine.
  package static func bytes(count: Int, capacity: Int) -> Int {
    (4 * count).roundedUp(toMultipleOf: 4096) + count * capacity.roundedUp(toMultipleOf: 64)
  }

  /// Allocates empty slots. Collective: every rank passes the same numbers.
  ///
  /// - Throws: `SharedMemorySlotsError` on the ranks of a machine that cannot allocate the memory, not on those of
  ///   others.
  package static func allocate(count: Int, capacity: Int, communicator: Communicator) throws -> SharedMemorySlots {
    let bytes = bytes(count: count, capacity: capacity)
    let (start, memory) =
      communicator.localSize > 1 ? try window(bytes, communicator) : try mapping(bytes, communicator)
    let slots = SharedMemorySlots(count: count, capacity: capacity, start, memory)
    if communicator.localRank == 0 { slots.makeEmpty() }
    communicator.sleepingBarrier()
    return slots
  }

  private init(count: Int, capacity: Int, _ start: UnsafeMutableRawPointer, _ memory: Memory) {
    self.count = count
    self.capacity = capacity.roundedUp(toMultipleOf: 64)
    self.memory = memory
    states = start.bindMemory(to: Atomic<UInt32>.self, capacity: count)
    slots = start + (4 * count).roundedUp(toMultipleOf: 4096)
  }

  private func makeEmpty() {
    for slot in 0..<count { (states + slot).initialize(to: Atomic(State.empty)) }
  }

  /// Frees the memory. Collective; slots must not be used afterwards.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    switch memory {
    case .mapping(let bytes): munmap(UnsafeMutableRawPointer(states), bytes)
    case .window(var window, var neighbors):
      Communicator.check(MPI_Win_unlock_all(window), "free shared memory")
      Communicator.check(MPI_Win_free(&window), "free shared memory")
      Communicator.check(MPI_Comm_free(&neighbors), "free shared memory")
    }
  }

  // MARK: - Slots

  /// The contents of a published slot; nil for any other.
  package func contents(of slot: Int) -> UnsafeRawPointer? {
    guard slot < count, states[slot].load(ordering: .acquiring) == State.published else { return nil }
    return UnsafeRawPointer(slots + slot * capacity)
  }

  /// Claims an empty slot for the caller, which then calls `publish` or `release`.
  ///
  /// - Returns: nil if the slot is claimed or published, or if there is no slot of that number.
  package func claim(_ slot: Int) -> UnsafeMutableRawPointer? {
    guard slot < count else { return nil }
    let (isMine, _) = states[slot].compareExchange(
      expected: State.empty, desired: State.claimed, ordering: .acquiringAndReleasing)
    return isMine ? slots + slot * capacity : nil
  }

  /// Makes the slot that the caller claimed and filled visible to every rank.
  package func publish(_ slot: Int) { states[slot].store(State.published, ordering: .releasing) }

  /// Gives up the caller's claim: the slot is empty again.
  package func release(_ slot: Int) { states[slot].store(State.empty, ordering: .releasing) }

  // MARK: - Memory

  /// The directory of Open MPI's files behind shared windows, and the bytes that it has room for; nil if the system
  /// does not report it.
  package static func availableMemory() -> (folder: String, bytes: Int)? {
    let folder = getenv("OMPI_MCA_osc_sm_backing_directory").map { String(cString: $0) } ?? "/dev/shm"
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return (folder, Int(status.f_bavail) * Int(status.f_frsize))
  }

  private static func mapping(
    _ bytes: Int, _ communicator: Communicator
  ) throws -> (UnsafeMutableRawPointer, Memory) {
    if communicator.size > 1 {
      // The ranks of other machines call MPI_Comm_split_type, which is collective.
      var neighbors = Communicator.splitByMachine(communicator.handle, "share memory")
      Communicator.check(MPI_Comm_free(&neighbors), "share memory")
    }
    let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let start, start != MAP_FAILED else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: String(cString: strerror(errno)))
    }
    return (start, .mapping(bytes: bytes))
  }

  private static func window(
    _ bytes: Int, _ communicator: Communicator
  ) throws -> (UnsafeMutableRawPointer, Memory) {
    let neighbors = Communicator.splitByMachine(communicator.handle, "share memory")
    var window: MPI_Win?
    var start: UnsafeMutableRawPointer?
    let size = communicator.localRank == 0 ? bytes : 0
    let code = MPI_Win_allocate_shared(size, 1, mpiNoInfo(), neighbors, &start, &window)
    guard code == MPI_SUCCESS else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: Communicator.text(of: code))
    }
    var (found, unit) = (0 as MPI_Aint, 0 as Int32)
    Communicator.check(MPI_Win_shared_query(window, 0, &found, &unit, &start), "share memory")
    // The window is accessed by plain loads and stores, ordered by the atomic states.
    Communicator.check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window), "share memory")
    guard let start else {
      throw SharedMemorySlotsError(host: communicator.host, bytes: bytes, cause: "MPI gave no memory")
    }
    return (start, .window(window, neighbors))
  }
}

/// Shared memory could not be allocated.
package struct SharedMemorySlotsError: Error, CustomStringConvertible {
  package let host: String
  package let bytes: Int
  package let cause: String

  package var description: String {
    "\(Double(bytes) / 1e9) GB of shared memory cannot be allocated on \(host): \(cause)"
  }
}
