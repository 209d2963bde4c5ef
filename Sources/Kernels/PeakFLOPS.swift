import Microkernels
import System
import Tensors

/// The peak single-precision performance of the processor.
package enum PeakFLOPS {
  /// Floating-point operations per second of all workers; a multiplication and an addition are two. Multiplies matrices
  /// that stay in the L1 cache and takes the best of the runs within 0.3 s: threads that have just started may share a
  /// core until the system spreads them.
  package static func measure(on workers: WorkerPool) -> Double {
    let (rows, columns, depth, repetitions) = (48, 64, 64, 400)
    let microkernels = workers.microkernels
    let gemm = MatrixProduct(on: workers)
    let packed = microkernels.packedCount(depth: depth, columns: columns)
    let workspace = (0..<workers.threads).map { _ in
      Buffer(count: rows * depth + packed + rows * columns + gemm.workspaceCount)
    }
    for buffer in workspace { buffer.clear() }
    let seconds = 0.3
    var best = Double.infinity
    let start = Clock.now
    repeat {
      let begin = Clock.now
      workers.parallelFor(workers.threads) { task, _ in
        let a = workspace[task].start
        let b = PackedB(a + rows * depth, depth: depth, columns: columns)
        let c = a + rows * depth + packed
        for _ in 0..<repetitions {
          gemm.multiply(
            rows: rows, a, aStride: depth, b, into: c, cStride: columns, workspace: c + rows * columns)
        }
      }
      best = min(best, Clock.now - begin)
    } while Clock.now - start < seconds
    return 2 * Double(workers.threads * repetitions * rows * columns * depth) / best
  }
}
