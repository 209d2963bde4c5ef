import Microkernels
import System
import Tensors

/// What the processor can do at most in single precision.
package enum PeakFLOPS {
  /// Floating-point operations a second over all workers, a multiplication and an addition being two: products of
  /// matrices that stay in the first-level cache, the best of many tries. Those go on for a while: threads that have just
  /// begun may all be on one core until the system has spread them.
  package static func measure(on workers: WorkerPool) -> Double {
    let (rows, columns, depth, repetitions) = (48, 64, 64, 400)
    let packed = microkernels.packedCount(depth: depth, columns: columns)
    let workspace = (0..<workers.threads).map { _ in
      Buffer(count: rows * depth + packed + rows * columns + MatrixProduct.workspaceCount)
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
          MatrixProduct.multiply(
            rows: rows, a, aStride: depth, b, into: c, cStride: columns, workspace: c + rows * columns)
        }
      }
      best = min(best, Clock.now - begin)
    } while Clock.now - start < seconds
    return 2 * Double(workers.threads * repetitions * rows * columns * depth) / best
  }
}
