import Glibc
import Synchronization
import System

/// An array of floats, returned to its pool when the last reference is released.
///
/// Every training step requests the same sizes in the same order. From the third step on, the pool serves all requests
/// without system calls and without page faults.
package final class Buffer: @unchecked Sendable {
  // Unchecked: kernels split a buffer into parts, each written by one worker.

  /// The first float, aligned to a cache line of 64 bytes.
  package let start: UnsafeMutablePointer<Float>
  /// Number of floats, without the padding of 16.
  package let count: Int
  private let block: BufferPool.Block
  private let pool: BufferPool

  /// Allocates uninitialized memory. The 16 floats after `count` may be read and written too: a kernel's last vector
  /// may extend past the end.
  package init(count: Int, from pool: BufferPool = .shared) {
    precondition(count >= 0)
    self.count = count
    self.pool = pool
    block = pool.allocate(bytes: (count + 16) * MemoryLayout<Float>.stride)
    start = block.address.assumingMemoryBound(to: Float.self)
  }

  deinit { pool.free(block) }

  /// Sets every float to zero, the padding included.
  package func clear() { memset(start, 0, (count + 16) * MemoryLayout<Float>.stride) }
}

/// A caching allocator for buffers. It has two arenas, so that long-lived small buffers do not fragment the memory of
/// large ones.
///
/// Deterministic: the same sequence of requests gets the same addresses.
package final class BufferPool: Sendable {
  /// An allocated block of memory.
  struct Block: @unchecked Sendable {
    // Unchecked for the same reason as `Buffer`, which owns it.
    let address: UnsafeMutableRawPointer
    let bytes: Int
  }

  /// The pool of the process.
  package static let shared = BufferPool()

  private struct State: ~Copyable {
    var small = Arena(alignment: 64, reservation: 1 << 30)
    var large = Arena(alignment: 4096, reservation: Arena.physicalMemory)
    var liveBytes = 0
    var peakBytes = 0
  }

  /// Requests of at most this many bytes are served by the arena of small buffers.
  private static let smallLimit = 1 << 18

  private let state = Mutex(State())

  package init() {}

  /// Bytes of physical memory obtained from the system and not returned (PyTorch's `memory_reserved`).
  package var residentBytes: Int { state.withLock { $0.small.residentBytes + $0.large.residentBytes } }

  /// Number of requests that needed more physical memory; constant once a training loop is in its steady state.
  package var growthCount: Int { state.withLock { $0.small.growthCount + $0.large.growthCount } }

  /// Bytes of all live buffers (PyTorch's `memory_allocated`).
  package var liveBytes: Int { state.withLock { $0.liveBytes } }

  /// The maximum of `liveBytes` since `resetPeak()` (PyTorch's `max_memory_allocated`).
  package var peakBytes: Int { state.withLock { $0.peakBytes } }

  /// Resets `peakBytes` to `liveBytes`.
  package func resetPeak() { state.withLock { $0.peakBytes = $0.liveBytes } }

  func allocate(bytes: Int) -> Block {
    let block = state.withLock { state -> Block? in
      let block = bytes <= Self.smallLimit ? state.small.allocate(bytes) : state.large.allocate(bytes)
      state.liveBytes += block?.bytes ?? 0
      state.peakBytes = max(state.peakBytes, state.liveBytes)
      return block
    }
    guard let block else {
      exitOutOfResources(
        "out of memory: cannot allocate \(bytes >> 20) MiB (\(liveBytes >> 20) MiB in use); "
          + "use a smaller batch or crop, or raise the limit (ulimit -v)")
    }
    return block
  }

  func free(_ block: Block) {
    state.withLock { state in
      state.liveBytes -= block.bytes
      // `block.bytes` is rounded up. `smallLimit` is a multiple of both alignments, so that the comparison agrees with
      // that of `allocate(bytes:)`.
      if block.bytes <= Self.smallLimit { state.small.free(block) } else { state.large.free(block) }
    }
  }

  /// Returns all unused memory to the system (PyTorch's `empty_cache`), as between training and a validation with other
  /// image sizes.
  package func trim() {
    state.withLock { state in
      state.small.trim()
      state.large.trim()
    }
  }
}
