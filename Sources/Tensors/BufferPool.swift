import Glibc
import Synchronization

/// Memory for floats that goes back to its pool when its last user lets go of it.
///
/// A training step asks for the same sizes in the same order again and again: from the second step on every request is
/// met from the pool, without a system call and without the page faults of fresh memory.
package final class Buffer: @unchecked Sendable {
  // Sendable by agreement: kernels split a buffer into parts that only one worker writes.

  /// The first float, aligned to a cache line of 64 bytes.
  package let start: UnsafeMutablePointer<Float>
  /// FloatSlice that may be used.
  package let count: Int
  private let block: BufferPool.Block
  private let pool: BufferPool

  /// Memory with arbitrary contents; 16 floats more than `count` may be read and written, so that a kernel's last
  /// vector may overhang.
  package init(count: Int, from pool: BufferPool = .shared) {
    precondition(count >= 0)
    self.count = count
    self.pool = pool
    block = pool.take(bytes: (count + 16) * MemoryLayout<Float>.stride)
    start = block.address.assumingMemoryBound(to: Float.self)
  }

  deinit { pool.giveBack(block) }

  /// Sets every float to zero.
  package func clear() { memset(start, 0, (count + 16) * MemoryLayout<Float>.stride) }
}

/// The memory of a process's buffers: two arenas, so that small buffers, some of which live long, do not lie scattered
/// among the large ones.
///
/// Requests in the same order get the same addresses: which memory is used depends on nothing but the requests.
package final class BufferPool: Sendable {
  /// A run of bytes that is in use.
  struct Block: @unchecked Sendable {
    // Sendable as the buffer is that owns it.
    let address: UnsafeMutableRawPointer
    let bytes: Int
  }

  /// The pool of this process.
  package static let shared = BufferPool()

  private struct State: ~Copyable {
    var small = Arena(grain: 64, reservation: 1 << 30)
    var large = Arena(grain: 4096, reservation: Arena.physicalMemory)
    var liveBytes = 0
    var peakBytes = 0
  }

  /// Bytes of the largest small request.
  private static let largestSmall = 1 << 18

  private let state = Mutex(State())

  package init() {}

  /// Bytes that were taken from the system so far and not given back.
  package var allocatedBytes: Int { state.withLock { $0.small.residentBytes + $0.large.residentBytes } }

  /// How often fresh memory was taken from the system: stands still once a training loop runs evenly.
  package var systemAllocations: Int { state.withLock { $0.small.growths + $0.large.growths } }

  /// Bytes that buffers have now.
  package var liveBytes: Int { state.withLock { $0.liveBytes } }

  /// The most bytes that buffers had at once since `resetPeak()`.
  package var peakBytes: Int { state.withLock { $0.peakBytes } }

  /// From now on `peakBytes` is of what follows.
  package func resetPeak() { state.withLock { $0.peakBytes = $0.liveBytes } }

  func take(bytes: Int) -> Block {
    let block = state.withLock { state -> Block? in
      let block = bytes <= Self.largestSmall ? state.small.take(bytes) : state.large.take(bytes)
      state.liveBytes += block?.bytes ?? 0
      state.peakBytes = max(state.peakBytes, state.liveBytes)
      return block
    }
    guard let block else {
      outOfResources(
        "out of memory: \(bytes >> 20) MiB more are not to be had beside \(liveBytes >> 20) MiB in use; "
          + "lower --batch-size or the crop, or raise the limit (ulimit -v)")
    }
    return block
  }

  func giveBack(_ block: Block) {
    state.withLock { state in
      state.liveBytes -= block.bytes
      // Rounded up or not: `largestSmall` is a multiple of both grains.
      if block.bytes <= Self.largestSmall { state.small.giveBack(block) } else { state.large.giveBack(block) }
    }
  }

  /// Gives all memory that nobody uses back to the system, as between training and a validation of other sizes.
  package func trim() {
    state.withLock { state in
      state.small.trim()
      state.large.trim()
    }
  }
}

/// Ends the program with one line on standard error. Memory and threads run out in the middle of arithmetic, where
/// there is nothing to go back to.
func outOfResources(_ message: String) -> Never {
  let line = "gscnn: \(message)\n"
  _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
  exit(1)
}
