import System
import Tensors

extension Consensus {
  /// The hash of a replica's arrays, for `requireEqualReplicas`: the XXH64 of the hashes of pieces of 4 MiB, which the
  /// threads share.
  package static func hash(_ arrays: [FloatSlice], on workers: WorkerPool) -> UInt64 {
    let piece = 1 << 20
    let pieces = arrays.flatMap { floats in
      stride(from: 0, to: floats.count, by: piece).map { first in
        UnsafeRawBufferPointer(
          start: floats.start + first, count: min(piece, floats.count - first) * MemoryLayout<Float>.stride)
      }
    }
    var hashes = [UInt64](repeating: 0, count: pieces.count)
    hashes.withUnsafeMutableBufferPointer { hashes in
      // Each task writes its own element.
      nonisolated(unsafe) let hashes = hashes
      workers.parallelFor(pieces.count) { task, _ in hashes[task] = XXH64.hash(pieces[task]) }
    }
    return hashes.withUnsafeBytes(XXH64.hash)
  }
}
