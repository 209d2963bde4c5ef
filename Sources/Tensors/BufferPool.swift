import Glibc
import Synchronization

/// Memory for floats that goes back to a pool when its last user lets go of it.
///
/// A training step asks for the same sizes again and again: from the second step on every request is met from
/// the pool, without a system call and without the page faults of fresh memory.
package final class Buffer: @unchecked Sendable {
  // Sendable by agreement: kernels split a buffer into parts that only one worker writes.

  /// The first float, aligned to 64 bytes (to 2 MiB from 4 MiB on).
  package let start: UnsafeMutablePointer<Float>
  /// Floats that may be used.
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

/// Keeps memory for reuse, by size.
package final class BufferPool: Sendable {
  /// One allocation of the system.
  struct Block: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    let bytes: Int
  }

  /// The pool of this process.
  package static let shared = BufferPool()

  package init() {}

  private struct State {
    /// Blocks that nobody uses, by size in bytes, sizes ascending.
    var free: [Int: [Block]] = [:]
    var allocatedBytes = 0
    var systemAllocations = 0
  }

  private let state = Mutex(State())

  /// Bytes taken from the system so far and not given back.
  package var allocatedBytes: Int { state.withLock { $0.allocatedBytes } }

  /// How often the system was asked for memory: stands still once a training loop runs evenly.
  package var systemAllocations: Int { state.withLock { $0.systemAllocations } }

  func take(bytes wanted: Int) -> Block {
    let bytes = Self.roundedUp(wanted)
    let reused = state.withLock { state -> Block? in
      // A block up to an eighth too large serves as well; sizes are few, so a scan is cheap.
      var best: Int?
      for size in state.free.keys where size >= bytes && size <= bytes + bytes / 8 && size < best ?? Int.max {
        best = size
      }
      guard let best, let block = state.free[best]?.popLast() else { return nil }
      if state.free[best]?.isEmpty == true { state.free[best] = nil }
      return block
    }
    if let reused { return reused }

    let large = bytes >= 4 << 20
    let alignment = large ? 2 << 20 : 64
    var address: UnsafeMutableRawPointer?
    guard posix_memalign(&address, alignment, bytes) == 0, let address else {
      outOfResources("out of memory: \(bytes >> 20) MiB more are not to be had; lower --batch-size or the crop")
    }
    if large { madvise(address, bytes, MADV_HUGEPAGE) }
    state.withLock {
      $0.allocatedBytes += bytes
      $0.systemAllocations += 1
    }
    return Block(address: address, bytes: bytes)
  }

  func giveBack(_ block: Block) {
    state.withLock { $0.free[block.bytes, default: []].append(block) }
  }

  /// Gives all memory that nobody uses back to the system, as between training and a validation of other sizes.
  package func trim() {
    let blocks = state.withLock { state -> [Block] in
      let blocks = state.free.values.flatMap { $0 }
      state.free = [:]
      state.allocatedBytes -= blocks.reduce(0) { $0 + $1.bytes }
      return blocks
    }
    for block in blocks { free(block.address) }
  }

  /// Sizes are rounded so that requests that differ by a little share blocks.
  private static func roundedUp(_ bytes: Int) -> Int {
    let grain = bytes < 1 << 16 ? 1 << 10 : bytes < 4 << 20 ? 1 << 16 : 2 << 20
    return (bytes + grain - 1) / grain * grain
  }
}

/// Ends the program with one line on standard error. Memory and threads run out in the middle of arithmetic, where
/// there is nothing to go back to.
func outOfResources(_ message: String) -> Never {
  let line = "gscnn: \(message)\n"
  _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
  exit(1)
}
